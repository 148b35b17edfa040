"""What all tests have: a finder behind a gate, and how deep hypothesis searches.

HYPOTHESIS_PROFILE=deep is for a long look.
"""

import os

import pytest
import torch
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


@pytest.fixture(autouse=True)
def _on_the_cpu(request, monkeypatch):
    """Where there is a GPU only the tests of it use it: the others are of the CPU."""
    if request.node.get_closest_marker("gpu") is None:
        monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)


@pytest.fixture
def gated():
    """A finder whose sweep goes on step by step as its gate lets it, and the gate."""
    with gated_finder(num_iter=40) as pair:
        yield pair
