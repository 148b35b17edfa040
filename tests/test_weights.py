"""Weights go to a safetensors file and come back, or nothing changes."""

import sys

import pytest
import torch
from subjects import MODELS, seeded
from torch import nn

from lr_widget.weights import load_weights, save_weights


def model(kind, seed):
    seeded(seed)
    net = MODELS[kind]()
    for buffer in net.buffers():
        if buffer.is_floating_point():
            buffer.uniform_()
    return net


def state(net):
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(
        torch.equal(one[k], other[k]) for k in one
    )


@pytest.mark.parametrize("kind", MODELS)
def test_weights_and_buffers_come_back_bit_for_bit_into_the_same_tensors(
    tmp_path, kind
):
    saved, other = model(kind, 0), model(kind, 1)
    places = [tensor.data_ptr() for tensor in other.parameters()]
    save_weights(saved, tmp_path / "model.safetensors")
    load_weights(other, tmp_path / "model.safetensors")
    assert same(state(saved), state(other))
    assert [tensor.data_ptr() for tensor in other.parameters()] == places


OTHERS = {
    "another size": lambda: nn.Sequential(nn.Linear(3, 2)),
    "a layer more": lambda: nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)),
    "a layer less": lambda: nn.Sequential(),
}


@pytest.mark.parametrize("case", OTHERS)
def test_weights_of_another_model_are_refused_and_nothing_changes(tmp_path, case):
    path, other = tmp_path / "model.safetensors", OTHERS[case]()
    save_weights(nn.Sequential(nn.Linear(2, 2)), path)
    before = state(other)
    with pytest.raises(
        ValueError, match=r"model\.safetensors has the weights of anoth"
    ):
        load_weights(other, path)
    assert same(before, state(other))


def test_a_file_that_is_none_is_refused_by_its_path(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"\xff" * 64)
    with pytest.raises(ValueError, match=r"model\.safetensors is no safetensors file"):
        load_weights(nn.Linear(2, 2), path)
    with pytest.raises(FileNotFoundError):
        load_weights(nn.Linear(2, 2), tmp_path / "none.safetensors")


def test_a_write_that_fails_leaves_the_older_file_and_nothing_else(
    tmp_path, monkeypatch
):
    path = tmp_path / "model.safetensors"
    save_weights(nn.Linear(2, 2), path)
    before = path.read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        save_weights(nn.Linear(2, 2), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_state_that_is_no_tensor_is_refused_by_name(tmp_path):
    class Counting(nn.Linear):
        def get_extra_state(self):
            return 3

        def set_extra_state(self, state):
            pass

    with pytest.raises(ValueError, match=r"no tensor \(_extra_state\).*torch\.save"):
        save_weights(Counting(2, 2), tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_without_safetensors_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    with pytest.raises(ImportError, match="pip install safetensors"):
        save_weights(nn.Linear(2, 2), tmp_path / "model.safetensors")
