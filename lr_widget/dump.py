"""The file of a checkpoint: plain data, never half written, read without its code."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import torch

from .archive import replaced

FORMAT, VERSION = "lr_widget checkpoint", 1


def checked(path: Any) -> Path:
    """The path, if a checkpoint can be written there; through a link, its target.

    Raises
    ------
    ValueError
        If it is no path, is a folder, or is in one that cannot be written to.
    """
    if not isinstance(path, (str, os.PathLike)) or isinstance(os.fspath(path), bytes):
        raise ValueError(
            f"checkpoint must be the path of a file, not {path!r}: pass"
            ' "fit.ckpt", or leave it out'
        )
    target = Path(path).resolve()
    if target.is_dir():
        raise ValueError(f"checkpoint {target} is a folder: pass the path of a file")
    beside = _beside(target)
    try:
        beside.touch()
        beside.unlink()
    except OSError as error:
        raise ValueError(
            f"checkpoint {target} cannot be written there ({error.strerror}): pass a"
            " path in a folder that exists and can be written to"
        ) from error
    return target


def dumped(target: Path, record: dict[str, Any]) -> None:
    """Write the record; a file that is there stays whole until then.

    It is written beside that file and takes its place in one move.

    Raises
    ------
    OSError
        If it cannot be written; the file of before is still there.
    """
    with replaced(target, _beside(target)) as beside, open(beside, "wb") as file:
        _save({"format": FORMAT, "version": VERSION, **record}, file)


def loaded(target: Path) -> dict[str, Any] | None:
    """The record in the file; None where there is no file.

    Raises
    ------
    OSError
        If it cannot be opened.
    ValueError
        If it is no checkpoint, damaged, or a newer version's.
    """
    if not target.exists():
        return None
    with open(target, "rb") as file:
        try:
            if torch.serialization.get_crc32_options():
                with zipfile.ZipFile(file) as archive:  # torch itself does not look
                    if (part := archive.testzip()) is not None:
                        raise ValueError(f"damaged in {part}")
                file.seek(0)
            record = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:
            raise foreign(target, str(error).partition("\n")[0]) from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise foreign(target, f"it does not say format {FORMAT!r}")
    if record.get("version") != VERSION:
        raise ValueError(
            f"checkpoint {target} has version {record.get('version')!r} of the format,"
            f" and this lr_widget reads {VERSION}: go on with the lr_widget that wrote"
            " it, or pass another path"
        )
    return record


def foreign(target: Path, why: str) -> ValueError:
    """The error for a file that is none of ours, or damaged."""
    return ValueError(
        f"checkpoint {target} is a file that cannot be gone on from ({why}): pass"
        " another path, or delete it to begin anew"
    )


class _Sink:
    """A file that remembers why it could not be written to."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.flush = file, file.flush
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = error
            raise


def _save(record: dict[str, Any], file: BinaryIO) -> None:
    sink: Any = _Sink(file)
    try:
        torch.save(record, sink)
    except RuntimeError:  # torch tells of its own format only
        if sink.error is not None:
            raise sink.error from None
        raise


def _beside(target: Path) -> Path:
    """Where it is written; always the same place, so that nothing piles up."""
    return target.with_name(f".{target.name[:80]}.part")
