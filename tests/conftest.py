"""What every test shares: how long hypothesis looks for a counterexample, how rarely Python looks
for garbage."""

import gc
import os

from hypothesis import HealthCheck, settings

DEFAULT = settings(
    deadline=None,  # a loaded machine is slow; slowness is measured by the bench, never here
    max_examples=200,
    derandomize=True,  # the same inputs for everybody; new ones are looked for by `make fuzz`
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("default", DEFAULT)
settings.register_profile("nightly", DEFAULT, max_examples=20_000, derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# Thousands of tests lie in memory; to look through them all as often as Python does by itself takes
# a seventh of the time.
gc.set_threshold(50_000, 20, 100)
