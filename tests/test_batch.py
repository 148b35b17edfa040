"""Batches: moved to the model's device, counted, and searched for a loss."""

from collections import OrderedDict, UserDict, namedtuple
from types import SimpleNamespace

import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from lr_widget.batch import moved, own_loss, samples

CPU = torch.device("cpu")
Pair = namedtuple("Pair", ["input", "target"])


class Spy:
    """Something that is moved by a `.to` of its own."""

    def __init__(self):
        self.moved_to = None

    def to(self, device):
        copy = Spy()
        copy.moved_to = device
        return copy


class Encoding(UserDict):
    """A mapping with a `.to` of its own, as a tokenizer gives."""

    def __getattr__(self, name):
        if name.startswith("__") or name == "data":
            raise AttributeError(name)
        return self.data[name]

    def to(self, device):
        return Encoding({key: value.to(device) for key, value in self.data.items()})


def test_a_tensor_anywhere_in_a_nested_batch_is_moved():
    batch = {"a": [Spy(), (Spy(), {"b": Spy()})], "c": Pair(Spy(), [Spy()])}
    result = moved(batch, CPU)
    found = [
        result["a"][0],
        result["a"][1][0],
        result["a"][1][1]["b"],
        result["c"].input,
        result["c"].target[0],
    ]
    assert [spy.moved_to for spy in found] == [CPU] * 5


def test_a_batch_keeps_its_shape():
    batch = (Pair(torch.ones(1), 2), [3, "four"], {"five": None})
    result = moved(batch, CPU)
    assert isinstance(result, tuple)
    assert isinstance(result[0], Pair)
    assert result[1:] == ([3, "four"], {"five": None})


def test_a_tensor_that_is_there_already_is_not_copied():
    tensor = torch.ones(2)
    assert moved([tensor], CPU)[0] is tensor


def test_the_loaders_own_batch_is_not_changed():
    spy = Spy()
    batch = {"inputs": [spy]}
    moved(batch, CPU)
    assert batch == {"inputs": [spy]}
    assert spy.moved_to is None


def test_a_mapping_that_can_move_itself_stays_what_it_is():
    encoding = Encoding(input_ids=torch.ones(2, 3))
    result = moved(encoding, CPU)
    assert torch.equal(result.input_ids, encoding.input_ids)  # by attribute, as before


def test_a_packed_sequence_moves_as_torch_moves_it():
    packed = pack_sequence([torch.ones(3, 2), torch.ones(2, 2)])
    result = moved(packed, torch.device("meta"))
    assert result.data.device.type == "meta"
    assert result.batch_sizes.device == CPU  # torch wants them there


def test_a_packed_sequence_goes_to_a_gpu_without_waiting(monkeypatch):
    asked = []
    monkeypatch.setattr(PackedSequence, "to", lambda *_, **kw: asked.append(kw))
    moved(pack_sequence([torch.ones(3, 2)]), torch.device("cuda"))
    assert asked == [{"non_blocking": True}]


@pytest.mark.parametrize(
    ("batch", "count"),
    [
        (torch.zeros(5, 2), 5),
        (torch.zeros(()), 1),
        ((torch.zeros(4), torch.zeros(4)), 4),
        (Pair(torch.zeros(6), torch.zeros(6)), 6),
        ({"input_ids": torch.zeros(3, 7), "labels": torch.zeros(3)}, 3),
        (OrderedDict(text="words", labels=torch.zeros(2)), 2),
        (({"x": torch.zeros(7)}, torch.zeros(7)), 7),
        (["words", [torch.zeros(8, 1)]], 8),
        ("words", 1),
        ([], 1),
        (None, 1),
    ],
)
def test_samples_are_counted_by_the_first_tensor(batch, count):
    assert samples(batch) == count


@pytest.mark.parametrize(
    "output",
    [
        SimpleNamespace(loss="L", logits="X"),
        {"loss": "L", "logits": "X"},
        ("L", "X"),
        ["L"],
    ],
    ids=["attribute", "mapping", "tuple", "list"],
)
def test_a_models_own_loss_is_found(output):
    assert own_loss(output) == "L"


@pytest.mark.parametrize(
    "output",
    [SimpleNamespace(logits="X"), SimpleNamespace(loss=None), {"logits": "X"}, (), 3],
)
def test_an_output_without_a_loss_says_what_to_pass(output):
    with pytest.raises(
        ValueError, match=r"loss_fn is missing.*pass loss_fn.*or pass st"
    ):
        own_loss(output)
