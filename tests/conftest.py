"""What every test shares: how long hypothesis looks for a counterexample."""

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
