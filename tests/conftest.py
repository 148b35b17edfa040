"""What all tests have: a finder behind a gate, and how deep hypothesis searches.

HYPOTHESIS_PROFILE=deep is for a long look.
"""

import os

import pytest
from driving import gated_finder
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


@pytest.fixture
def gated():
    """A finder whose sweep goes on step by step as its gate lets it, and the gate."""
    with gated_finder(num_iter=40) as pair:
        yield pair
