"""Other packages' finders with their own defaults, and the LR that they suggest.

Each is driven as its documentation does, stop rule and reading of the curve included,
on the model, loader and optimizer that our sweep has too. 100 steps from 1e-7 to 10 are
fastai's defaults; torch-lr-finder and pytorch-ignite, which would start at the
optimizer's LR, are told the same. Lightning keeps its 1e-8 to 1.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

# Absolute it would have two names: `benchmarks` for pytest, else `tests.benchmarks`.
from ..rivals import RIVALS, hushed, lightning_module  # noqa: TID252
from .tasks import SUBJECTS, Setup

START_LR, END_LR = 1e-7, 10.0


def fastai(setup: Setup, steps: int, folder: str, rule: str) -> float | None:
    """`Learner.lr_find` with one of its `suggest_funcs`."""
    from fastai.callback import progress, schedule  # noqa: F401 (they patch Learner)
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner
    from fastai.optimizer import OptimWrapper

    learner = Learner(
        DataLoaders(setup.loader, setup.loader),
        setup.model,
        loss_func=setup.loss_fn,
        opt_func=lambda *_args, **_kwargs: OptimWrapper(opt=setup.optimizer),
        path=folder,
    )
    with learner.no_bar():
        found = learner.lr_find(
            num_it=steps, show_plot=False, suggest_funcs=(getattr(schedule, rule),)
        )
    return found[0]


def lightning(setup: Setup, steps: int, folder: str) -> float | None:
    """`Tuner.lr_find(...).suggestion()`."""
    from lightning.pytorch import Trainer
    from lightning.pytorch.tuner import Tuner

    for name in "lightning.pytorch", "lightning.fabric":
        logging.getLogger(name).setLevel(logging.CRITICAL)

    trainer = Trainer(
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
    module = lightning_module(setup.model, setup.loss_fn, setup.optimizer)
    found = Tuner(trainer).lr_find(
        module, train_dataloaders=setup.loader, num_training=steps, update_attr=False
    )
    return found.suggestion()


def ignite(setup: Setup, steps: int, _folder: str) -> float | None:
    """`FastaiLRFinder.lr_suggestion`."""
    from ignite.engine import create_supervised_trainer
    from ignite.handlers import FastaiLRFinder

    trainer = create_supervised_trainer(setup.model, setup.optimizer, setup.loss_fn)
    finder = FastaiLRFinder()
    with finder.attach(
        trainer,
        to_save={"model": setup.model, "optimizer": setup.optimizer},
        num_iter=steps,
        start_lr=START_LR,
        end_lr=END_LR,
    ) as attached:
        attached.run(setup.loader)
    return finder.lr_suggestion()


def torch_lr_finder(setup: Setup, steps: int, _folder: str) -> float | None:
    """`LRFinder.range_test`, then what `plot(suggest_lr=True)` returns."""
    from matplotlib.figure import Figure as Canvas
    from torch_lr_finder import LRFinder

    finder = LRFinder(setup.model, setup.optimizer, setup.loss_fn)
    finder.range_test(setup.loader, start_lr=START_LR, end_lr=END_LR, num_iter=steps)
    _, lr = finder.plot(suggest_lr=True, ax=Canvas().subplots())
    return lr


@dataclass(frozen=True)
class Finder:
    """A finder of another package, with one of its ways to suggest."""

    name: str
    package: str
    run: Callable[[Setup, int, str], float | None]

    @property
    def missing(self) -> str:
        """Why it cannot be run here; empty if it can."""
        return rival(self.package).missing()

    @property
    def who(self) -> str:
        """Name and version: what it suggests may change with that."""
        return f"{self.name} {self.version or ''}".strip()

    @property
    def version(self) -> str | None:
        """The version that is installed, or None."""
        return rival(self.package).version


def rival(package: str) -> Any:
    """The package as the benchmarks know it."""
    return next(rival for rival in RIVALS if rival.package == package)


FINDERS = {
    finder.name: finder
    for finder in (
        *(
            Finder(f"fastai {rule}", "fastai", partial(fastai, rule=rule))
            for rule in ("valley", "slide", "minimum", "steep")
        ),
        Finder("lightning", "lightning", lightning),
        Finder("pytorch-ignite", "pytorch-ignite", ignite),
        Finder("torch-lr-finder", "torch-lr-finder", torch_lr_finder),
    )
}


def suggested(
    name: str, task: str, optimizer: str, seed: int, steps: int
) -> dict[str, Any]:
    """What one finder suggests, or why it does not."""
    setup = SUBJECTS[task].setup(optimizer, seed)
    with hushed(), tempfile.TemporaryDirectory() as folder:
        try:
            lr = FINDERS[name].run(setup, steps, folder)
        except (RuntimeError, ValueError, IndexError) as error:
            return {"lr": None, "reason": f"{type(error).__name__}: {error}"}
    if lr is None:
        return {"lr": None, "reason": "it gave None"}
    return {"lr": float(lr), "reason": ""}
