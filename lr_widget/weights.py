"""The weights of a model in a safetensors file: numbers by name, and no code."""

from __future__ import annotations

import os
from types import ModuleType

from torch import Tensor, nn

from .archive import replaced


def save_weights(model: nn.Module, path: str | os.PathLike[str]) -> None:
    """Write the model's `state_dict` to a safetensors file.

    Tensors that share memory are written once. https://huggingface.co/docs/safetensors

    Raises
    ------
    ImportError
        If safetensors is not installed.
    ValueError
        If the model's `state_dict` has more than tensors.
    """
    safetensors = _safetensors()
    others = [k for k, v in model.state_dict().items() if not isinstance(v, Tensor)]
    if others:
        raise ValueError(
            f"model has state that is no tensor ({', '.join(others)}), which"
            " safetensors does not hold: use torch.save(model.state_dict(), path)"
        )
    with replaced(path) as beside:
        safetensors.save_model(model, os.fspath(beside))


def load_weights(model: nn.Module, path: str | os.PathLike[str]) -> None:
    """Put the weights in such a file into the model; its tensors stay the same ones.

    Raises
    ------
    ImportError
        If safetensors is not installed.
    OSError
        If there is no file, or it cannot be read.
    ValueError
        If it is another kind of file, or of another model: nothing has changed then.
    """
    safetensors, path = _safetensors(), os.fspath(path)
    try:
        found = safetensors.load_file(path)
    except OSError:
        raise
    except Exception as error:  # SafetensorError, of a module that is not public
        raise ValueError(
            f"{path} is no safetensors file ({error}): pass the path of one that"
            " finder.save wrote"
        ) from None
    own = model.state_dict()
    wrong = [n for n in found if n not in own or own[n].shape != found[n].shape]
    # Of tensors that share memory a file has one.
    held = {own[n].untyped_storage().data_ptr() for n in found.keys() & own.keys()}
    missing = own.keys() - found.keys()
    wrong += [n for n in missing if own[n].untyped_storage().data_ptr() not in held]
    if wrong:
        names = ", ".join(sorted(wrong)[:3]) + (" ..." if len(wrong) > 3 else "")
        raise ValueError(
            f"{path} has the weights of another model (see {names}): make the finder"
            " with a model of the same layers and sizes"
        )
    model.load_state_dict(found, strict=False)


def _safetensors() -> ModuleType:
    try:
        import safetensors.torch
    except ImportError as error:
        raise ImportError(
            "weights need safetensors: pip install safetensors"
        ) from error
    return safetensors.torch
