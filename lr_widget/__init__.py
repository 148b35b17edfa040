"""A learning-rate range test that you watch and click, for PyTorch in a notebook."""

from ._frontend import NPM_NAME as _NPM_NAME
from ._frontend import __version__
from .comparison import compare
from .curve import Curve, Epoch, Point
from .finder import LRFinder
from .one_cycle import fit_one_cycle
from .repeats import Repeats
from .run import Run
from .schedule import one_cycle_schedule
from .snapshot import restored
from .sweep import range_test
from .task import Task

__all__ = [
    "Curve",
    "Epoch",
    "LRFinder",
    "Point",
    "Repeats",
    "Run",
    "Task",
    "__version__",
    "compare",
    "fit_one_cycle",
    "one_cycle_schedule",
    "range_test",
    "restored",
]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": _NPM_NAME}]
