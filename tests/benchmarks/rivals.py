"""Other LR finders, each driven through its public API as its documentation does.

All get the same model, loader, loss and optimizer objects, make the same number of
steps over the same LRs, and do not stop at a divergence. Progress bars are off, all of
them: torch-lr-finder's, which has no switch, with tqdm's own (TQDM_DISABLE, set in
__init__.py). What a user has made before the finder is called (a Learner, a Trainer)
is not timed. What the finder does to keep and to put back the state is.

They are an optional extra, `pip install -e '.[benchmarks]'`, and fastai on top without
its dependencies, as it asks for a torchvision that must match torch's build: `pip
install --no-deps fastai -c constraints.txt`.
"""

from __future__ import annotations

import io
import logging
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Any

from torch import nn
from torch.optim import Optimizer

from .figure import Absent
from .loops import Sweep
from .subjects import END_LR, START_LR, Setup


def torch_lr_finder(setup: Setup, num_iter: int) -> Callable[[], object]:
    """`LRFinder.range_test`, then `reset()`; it keeps the state in memory."""
    from torch_lr_finder import LRFinder

    def run() -> object:
        finder = LRFinder(setup.model, setup.optimizer, setup.loss_fn)
        finder.range_test(
            setup.loader,
            start_lr=START_LR,
            end_lr=END_LR,
            num_iter=num_iter,
            diverge_th=math.inf,
        )
        finder.reset()
        return finder.history

    return run


def fastai(setup: Setup, num_iter: int) -> Callable[[], object]:
    """`Learner.lr_find` without suggestion and plot; it makes at least 6 steps."""
    from fastai.callback import progress, schedule  # noqa: F401 (they patch Learner)
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner
    from fastai.optimizer import OptimWrapper

    learner = Learner(
        DataLoaders(setup.loader, setup.loader),
        setup.model,
        loss_func=setup.loss_fn,
        opt_func=lambda *_args, **_kwargs: OptimWrapper(opt=setup.optimizer),
    )

    def run() -> object:
        with learner.no_bar():
            return learner.lr_find(
                START_LR,
                END_LR,
                num_iter,
                stop_div=False,
                show_plot=False,
                suggest_funcs=None,
            )

    return run


def lightning(setup: Setup, num_iter: int) -> Callable[[], object]:
    """`Tuner.lr_find` of a Trainer without logger, checkpoints and bars."""
    from lightning.pytorch import Trainer
    from lightning.pytorch.tuner import Tuner

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    module = lightning_module(setup.model, setup.loss_fn, setup.optimizer)
    trainer = Trainer(
        accelerator=next(setup.model.parameters()).device.type,
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )

    def run() -> object:
        return Tuner(trainer).lr_find(
            module,
            train_dataloaders=setup.loader,
            min_lr=START_LR,
            max_lr=END_LR,
            num_training=num_iter,
            early_stop_threshold=None,
            update_attr=False,
        )

    return run


def lightning_module(model: nn.Module, loss_fn: nn.Module, optimizer: Optimizer) -> Any:
    """The `LightningModule` that a user would write for them."""
    from lightning.pytorch import LightningModule

    class Module(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = model
            self.lr = 1e-3  # lr_find wants one that it may overwrite

        def training_step(self, batch: Any, _index: int) -> Any:
            inputs, target = batch
            return loss_fn(self.model(inputs), target)

        def configure_optimizers(self) -> Any:
            return optimizer

    return Module()


def ignite(setup: Setup, num_iter: int) -> Callable[[], object]:
    """`FastaiLRFinder.attach` to a supervised trainer, and its `run`."""
    from ignite.engine import create_supervised_trainer
    from ignite.handlers import FastaiLRFinder

    device = next(setup.model.parameters()).device
    trainer = create_supervised_trainer(
        setup.model, setup.optimizer, setup.loss_fn, device
    )

    def run() -> object:
        finder = FastaiLRFinder()
        with finder.attach(
            trainer,
            to_save={"model": setup.model, "optimizer": setup.optimizer},
            num_iter=num_iter,
            start_lr=START_LR,
            end_lr=END_LR,
            diverge_th=math.inf,
        ) as attached:
            attached.run(setup.loader)
        return finder.get_results()

    return run


@dataclass(frozen=True)
class Rival:
    """Another LR finder, installed or not."""

    package: str
    module: str
    sweep: Sweep

    @property
    def version(self) -> str | None:
        """The version that is installed, or None."""
        try:
            return metadata.version(self.package)
        except metadata.PackageNotFoundError:
            return None

    @property
    def who(self) -> str:
        """Name and version, as in the tables."""
        return f"{self.package} {self.version or ''}".strip()

    def missing(self) -> str:
        """Why it cannot be run here; empty if it can."""
        if self.version is None:
            return "not installed"
        try:
            with hushed():
                import_module(self.module)
        except Exception as error:
            return f"cannot be imported: {error}"
        return ""

    def absent(self, subject: str) -> Absent | None:
        """The row that says why it is not in the table; None if it is."""
        reason = self.missing()
        return Absent(reason, subject=subject, who=self.who) if reason else None


RIVALS = (
    Rival("torch-lr-finder", "torch_lr_finder", torch_lr_finder),
    Rival("pytorch-ignite", "ignite.handlers", ignite),
    Rival("lightning", "lightning.pytorch.tuner", lightning),
    Rival("fastai", "fastai.callback.schedule", fastai),
)


@contextmanager
def hushed() -> Iterator[None]:
    """Keep what the rivals print and warn of out of the table."""
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
