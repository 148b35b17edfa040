"""A learning-rate range test that you watch and click, for PyTorch in a notebook."""

from ._frontend import NPM_NAME as _NPM_NAME
from ._frontend import __version__
from .auditions import audition
from .best import Best
from .comparison import compare
from .curve import Curve, Epoch, Point
from .finder import LRFinder
from .fine_tuning import fine_tune
from .one_cycle import fit_one_cycle
from .repeats import Repeats
from .run import Run
from .schedule import one_cycle_schedule
from .snapshot import remembered, restored
from .sweep import range_test
from .task import Task
from .trials import Trials

__all__ = [
    "Best",
    "Curve",
    "Epoch",
    "LRFinder",
    "Point",
    "Repeats",
    "Run",
    "Task",
    "Trials",
    "__version__",
    "audition",
    "compare",
    "fine_tune",
    "fit_one_cycle",
    "one_cycle_schedule",
    "range_test",
    "remembered",
    "restored",
]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": _NPM_NAME}]
