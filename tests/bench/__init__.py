"""Speed, as ratios to what the parts cost alone in the same run: ``python -m tests.bench``."""
