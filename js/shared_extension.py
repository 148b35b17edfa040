"""What a wheel shares with Jupyter: the built extension, but not from a checkout."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUILT = "lr_widget/labextension"
SHARED = "share/jupyter/labextensions/lr-widget"


class SharedExtension(BuildHookInterface):
    """Shares the extension in every wheel that is not editable.

    In an editable install `jupyter-builder develop` links to the checkout. Were the
    files shared as well, pip would write them, and on uninstall delete them, through
    that link.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files to the wheel."""
        if version != "editable":
            build_data["shared_data"] |= {
                f"{BUILT}/package.json": f"{SHARED}/package.json",
                f"{BUILT}/static": f"{SHARED}/static",
                "js/install.json": f"{SHARED}/install.json",
            }
