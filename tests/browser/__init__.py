"""The widget in a real browser, in JupyterLab and in Notebook 7."""

import pytest

#: For a test of what no front end has a part in: one of them is enough, and the suite
#: stays within minutes. Each promise has a test in both.
in_lab = pytest.mark.parametrize("frontend", ["lab"], indirect=True)

#: For one that has its like in JupyterLab.
in_notebook = pytest.mark.parametrize("frontend", ["notebook"], indirect=True)
