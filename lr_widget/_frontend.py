"""The name and the version that Python and the browser must agree on."""

from importlib.metadata import version

__version__ = version("lr-widget")

#: Name of the npm package, and of the federated extension that carries it.
NPM_NAME = "lr-widget"

#: Semver range of the npm package that this Python package can talk to.
NPM_RANGE = f"^{__version__}"
