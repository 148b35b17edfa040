"""How deep hypothesis searches, and which tests may run beside each other."""

import os

import pytest
from hypothesis import HealthCheck, settings

# HYPOTHESIS_PROFILE=deep is for a long look.
# No deadline: how long an example takes is the machine's business.
settings.register_profile("usual", deadline=None)
settings.register_profile(
    "deep",
    deadline=None,
    max_examples=2000,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "usual"))


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """With `-n 2 --dist loadgroup` one process has the browser, the other the files.

    Each file stays whole: its fixtures are made once.
    """
    if config.pluginmanager.hasplugin("xdist"):
        for item in items:
            browser = item.get_closest_marker("browser")
            group = "browser" if browser else item.path.name
            item.add_marker(pytest.mark.xdist_group(group))
