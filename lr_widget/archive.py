"""The files of curves and finders: JSON that gives back every float, never half."""

from __future__ import annotations

import json
import math
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeVar

Made = TypeVar("Made")

VERSION = 1

#: JSON knows no numbers but finite ones.
_WORDS = {"NaN", "Infinity", "-Infinity"}


@dataclass(frozen=True)
class Archive:
    """One kind of file: its `name`, and the `writer` that errors say wrote it."""

    name: str
    writer: str

    @property
    def format(self) -> str:
        """What the file says it is."""
        return f"lr_widget {self.name}"

    def write(self, path: str | os.PathLike[str], record: Mapping[str, Any]) -> None:
        """Write the record to `path`; a file that is there stays whole until then."""
        head = {"format": self.format, "version": VERSION}
        text = json.dumps({**head, **_encoded(record)}, allow_nan=False)
        with replaced(path) as beside, open(beside, "x", encoding="utf-8") as file:
            file.write(text + "\n")

    def read(
        self, path: str | os.PathLike[str], make: Callable[[dict[str, Any]], Made]
    ) -> Made:
        """What `make` makes of the record in the file at `path`.

        Raises
        ------
        OSError
            If there is no file, or it cannot be read.
        ValueError
            If it is no such file, a newer version's, or `make` cannot make anything
            of it (LookupError, TypeError, ValueError, AttributeError).
        """
        record = self._record(path)
        try:
            return make(record)
        except (LookupError, TypeError, ValueError, AttributeError) as why:
            raise self._foreign(path, f"damaged: {why!r}") from None

    def _record(self, path: str | os.PathLike[str]) -> dict[str, Any]:
        try:
            record = json.loads(Path(path).read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:  # no text, or no JSON
            raise self._foreign(path, str(error)) from None
        if not isinstance(record, dict) or record.get("format") != self.format:
            raise self._foreign(path, f"it does not say format {self.format!r}")
        version = record.get("version")
        if isinstance(version, int) and version > VERSION:
            raise ValueError(
                f"{os.fspath(path)} was written by a newer lr_widget (version"
                f" {version} of the format; this one reads up to {VERSION}): upgrade"
                " lr_widget"
            )
        if version != VERSION:
            raise self._foreign(path, f"it has no version of the format but {version}")
        return record

    def _foreign(self, path: str | os.PathLike[str], why: str) -> ValueError:
        """The error for a file that is none of ours, or damaged."""
        return ValueError(
            f"{os.fspath(path)} is no {self.name} that can be read ({why}): pass the"
            f" path of a file that {self.writer} wrote"
        )


@contextmanager
def replaced(
    path: str | os.PathLike[str], beside: Path | None = None
) -> Iterator[Path]:
    """Write a file `beside` path, which takes its place in one move, once complete.

    >>> with replaced("run.json") as beside:  # doctest: +SKIP
    ...     beside.write_text("{}")
    """
    target = Path(path).resolve()  # through a link, to what it points at
    if beside is None:
        beside = target.with_name(f".{target.name[:80]}.{uuid.uuid4().hex}")
    try:
        yield beside
        with open(beside, "rb+") as file:
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, beside)
        os.replace(beside, target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def number(value: Any) -> float:
    """The float that a number or one of JSON's missing numbers stands for."""
    if isinstance(value, str) and value in _WORDS:
        return float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{value!r} where a number is due")
    try:
        return float(value)
    except OverflowError:
        raise ValueError("a number too large for a float") from None


def _encoded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _encoded(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encoded(part) for part in value]
    if isinstance(value, Integral):
        return int(value)
    if not isinstance(value, Real):
        return value
    real = float(value)
    if math.isnan(real):
        return "NaN"
    if math.isinf(real):
        return "Infinity" if real > 0 else "-Infinity"
    return real
