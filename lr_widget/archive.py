"""The file of a curve: JSON that gives back every float, and is never half written."""

from __future__ import annotations

import json
import math
import os
import shutil
import uuid
from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

FORMAT, VERSION = "lr_widget curve", 1

#: JSON knows no numbers but finite ones.
_WORDS = {"NaN", "Infinity", "-Infinity"}


def written(path: str | os.PathLike[str], record: Mapping[str, Any]) -> None:
    """Write the record to `path`; a file that is there stays whole until then.

    It is written beside that file and takes its place in one move.
    """
    text = json.dumps(
        {"format": FORMAT, "version": VERSION, **_encoded(record)}, allow_nan=False
    )
    target = Path(path).resolve()  # through a link, to what it points at
    beside = target.with_name(f".{target.name[:80]}.{uuid.uuid4().hex}")
    try:
        with open(beside, "x", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, beside)
        os.replace(beside, target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The record in the file at `path`.

    Raises
    ------
    OSError
        If there is no file, or it cannot be read.
    ValueError
        If it is no such file, or a newer version's.
    """
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # no text, or no JSON
        raise foreign(path, str(error)) from None
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise foreign(path, f"it does not say format {FORMAT!r}")
    version = record.get("version")
    if isinstance(version, int) and version > VERSION:
        raise ValueError(
            f"{os.fspath(path)} was written by a newer lr_widget (version {version} of"
            f" the format; this one reads up to {VERSION}): upgrade lr_widget"
        )
    if version != VERSION:
        raise foreign(path, f"it has no version of the format but {version!r}")
    return record


def foreign(path: str | os.PathLike[str], why: str) -> ValueError:
    """The error for a file that is none of ours, or damaged."""
    return ValueError(
        f"{os.fspath(path)} is no curve that can be read ({why}): pass the path of a"
        " file that Curve.save wrote"
    )


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
