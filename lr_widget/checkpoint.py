"""Checkpoint: the file of a fit, from which it goes on as if nothing had been."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from .chance import chance, set_chance
from .curve import Epoch
from .dump import checked, dumped, foreign, loaded
from .feed import Feed
from .likeness import differences, likeness
from .loader import has_state
from .plan import Plan, whole
from .state import kept, options, plain, put, set_trains, trains, turn, turned
from .task import Task


@dataclass
class Made:
    """What a fit has come to so far: all that its Points are made of, but the plan."""

    losses: list[float] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)
    seconds: float = 0.0  # of the epoch under way

    def finished(self, plan: Plan) -> int:
        """Steps that are all done; not one whose epoch is still to be validated."""
        ended = len(self.losses) // plan.steps_per_epoch
        return len(self.losses) - (ended > len(self.epochs))

    def end(self, step: int, plan: Plan) -> Epoch | None:
        """The epoch that ended with a step."""
        number, i = divmod(step + 1, plan.steps_per_epoch)
        return None if i else self.epochs[number - 1]


class Checkpoint:
    """The file of a fit; without a path there is none, and nothing is kept.

    It is read with `torch.load(weights_only=True)`, so that no code in it runs. Kept
    are: parameters and buffers (non-persistent ones too) of the model and of a
    `loss_fn` that is a module, and their extra state; the optimizer's state, and such
    of its options as the fit has changed; a GradScaler; losses and epochs; the state
    of a hook that has one; the random state of Python, NumPy, torch and the
    accelerator; the generators of modules, loaders, datasets and samplers, and the
    position of such as can tell it (`state_dict`).

    In the middle of a pass through the loader, the random state at its start is put
    back, the batches that it had given are drawn once more and dropped, and then the
    random state is that of the file. This holds for any loader that draws its order
    when its pass begins, as a DataLoader does, with workers or without, and torchdata's
    StatefulDataLoader, whose own `state_dict` is not needed.

    It does not hold for what lives elsewhere: attributes of modules that are neither
    of these, workers with `persistent_workers` that draw at random, and an order that
    is drawn bit by bit from the global generator that a Dropout on the CPU draws from
    as well.

    Raises
    ------
    ValueError
        At once, for a file that cannot be read, is of another fit, or cannot be
        written, for a loader that is an iterator, and for a hook with state that is no
        plain data; nothing has been changed then.
    """

    def __init__(
        self, task: Task, plan: Plan, hook: object, path: Any, every: int | None
    ) -> None:
        #: What the fit has come to; the fit itself adds to it.
        self.made = Made()
        #: Whether the validation was, after which the file is as before it.
        self.stopped = False
        #: The task, its batches counted where there is a file.
        self.fed = task
        self._task, self._plan, self._path = task, plan, None
        self._hook: Any = hook if has_state(hook) else None
        self._every = math.inf if every is None else whole("checkpoint_every", every)
        self._written = 0
        self._file: dict[str, Any] | None = None
        if path is None:
            if every is not None:
                raise ValueError("checkpoint_every needs a checkpoint: pass its path")
            return
        _check(task, self._hook)
        self._path = checked(path)
        self._feed = Feed(task)
        self.fed = task.with_loader(self._feed)
        self._open(self._path)

    def put_back(self) -> None:
        """Put everything in place as it was when the file was written."""
        self._options = options(self._task)
        self._turned: list[dict[str, Any]] = [{} for _ in self._options]
        if self._file is not None:
            if self._hook is not None:
                self._hook.load_state_dict(self._file["hook"])
            put(self._task, self._file["state"])
            self._turned = self._file["options"]
            turn(self._task, self._turned)
            set_trains(self._task, self._file["trains"])

    def batches(self) -> Iterator[Any]:
        """The batches that come next, and the random state with which they do."""
        length, file, self._file = self._plan.length, self._file, None
        source = self.fed.batches() if length is None else self.fed.epoch(length)
        if file is not None:
            place = file["place"]
            if place is not None:
                self._feed.rewind(source, place)
            set_chance(self._task, file["chance"], positions=place is None)
        return source

    def due(self, steps: int) -> bool:
        """Whether the file is to be written after so many steps."""
        return self._path is not None and steps - self._written >= self._every

    def keep(self, end: Epoch | None) -> None:
        """Write the file after a step, if it is time."""
        if self.stopped:
            self.stopped = False  # the file is as before the validation
        elif end is not None or self.due(len(self.made.losses)):
            self._write()

    def keep_before_validation(self) -> None:
        """Write the file, so that a validation that does not end loses no step."""
        if self._task.valid_loader is not None:
            self._write()

    def keep_at_close(self) -> None:
        """Write the file, if there have been steps since."""
        if len(self.made.losses) > self._written:
            self._write()

    def _write(self) -> None:
        # Costs the time to copy model and optimizer state to the CPU, tensor by tensor,
        # and to write them to the disk: a second for 500 MB, about.
        self._written = len(self.made.losses)
        if self._path is None:
            return
        made, hook = self.made, self._hook
        state = {
            "fit": self._likeness(),
            "losses": torch.tensor(made.losses, dtype=torch.float64, device="cpu"),
            "epochs": [plain(asdict(epoch), "epochs") for epoch in made.epochs],
            "seconds": made.seconds,
            "state": kept(self._task),
            "options": turned(self._task, self._options, self._turned),
            # A fit with frozen epochs freezes and unfreezes by itself.
            "trains": {} if self._plan.freeze_epochs else trains(self._task),
            "hook": None if hook is None else plain(hook.state_dict(), "on_step"),
            "place": self._feed.place,
            "chance": chance(self._task),
        }
        dumped(self._path, state)

    def _open(self, path: Path) -> None:
        """Look at the file that is there, if there is one; nothing is put back yet."""
        self._file = loaded(path)
        if self._file is None:
            return
        if missing := _PARTS - set(self._file):
            raise foreign(path, f"damaged: it has no {min(missing)}")
        try:
            self._compare(self._file)
            self._begun(self._file)
        except (LookupError, TypeError, AttributeError) as error:
            raise foreign(path, f"damaged: {error!r}") from error

    def _begun(self, file: dict[str, Any]) -> None:
        epochs = [Epoch(**entry) for entry in file["epochs"]]
        self.made = Made(file["losses"].tolist(), epochs, file["seconds"])
        self._written = len(self.made.losses)

    def _compare(self, file: dict[str, Any]) -> None:
        found = differences(file["fit"], self._likeness())
        if found:
            more = f" (and {len(found) - 1} more)" if found[1:] else ""
            raise ValueError(
                f"checkpoint {self._path} is of another fit: {found[0]}{more}; pass"
                " what it was begun with, or another path for a new fit"
            )

    def _likeness(self) -> dict[str, Any]:
        return likeness(self._task, self._plan, with_state=self._hook is not None)


_PARTS = {"fit", "losses", "epochs", "seconds", "state", "trains", "hook", "place"}
_PARTS |= {"chance", "options"}


def _check(task: Task, hook: Any) -> None:
    """Refuse what could not be kept or gone on with."""
    if isinstance(task.loader, Iterator):
        raise ValueError(
            "checkpoint needs a loader that starts anew, and loader is an iterator:"
            " pass a DataLoader, a list, or another iterable, or leave checkpoint out"
        )
    if hook is not None:
        plain(hook.state_dict(), "state_dict() of on_step")
    kept(task), chance(task)
