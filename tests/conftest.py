"""How deep hypothesis searches: HYPOTHESIS_PROFILE=deep for a long look."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "deep",
    deadline=None,
    max_examples=2000,
    suppress_health_check=[HealthCheck.too_slow],
)
if "HYPOTHESIS_PROFILE" in os.environ:
    settings.load_profile(os.environ["HYPOTHESIS_PROFILE"])
