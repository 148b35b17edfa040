"""How deep hypothesis searches: HYPOTHESIS_PROFILE=deep for a long look."""

import os

from hypothesis import HealthCheck, settings

# No deadline: how long an example takes is the machine's business.
settings.register_profile("usual", deadline=None)
settings.register_profile(
    "deep",
    deadline=None,
    max_examples=2000,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "usual"))
