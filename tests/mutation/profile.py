"""While mutants run: Hypothesis takes the same few examples each time, and searches for no smallest one."""

from __future__ import annotations

import os
import time

from hypothesis import HealthCheck, Phase, settings

os.environ["TZ"] = "Pacific/Chatham"  # so that the machine's own zone is nobody's
time.tzset()

settings.register_profile(
    "mutation",
    deadline=None,
    max_examples=40,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("mutation")
