"""Can the tests fail? Each listed change puts back what a naive implementation does; the named tests must then fail.

The changes stand in ``*.toml`` beside this file; ``python -m tests.falsify`` applies one after the other to a copy of
the tree. That each still fits the code is checked in the normal run (``tests/test_falsify.py``).
"""
