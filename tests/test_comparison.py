"""compare: each variation is the range test one would have made by hand."""

import random

import no_trace
import numpy as np
import pytest
import torch
from no_trace import SUBJECTS, differing, look
from subjects import (
    Blown,
    Pictures,
    batches,
    changes,
    cnn,
    fingerprint,
    pictures,
    seeded,
    sgd,
    subject,
)
from torch import nn
from torch.optim import SGD, Adadelta, Adam, AdamW, Optimizer, RMSprop
from torch.utils.data import DataLoader, IterableDataset, WeightedRandomSampler

from lr_widget import Repeats, Task, compare, range_test
from lr_widget.loader import resized

SWEEP = {"num_iter": 8, "start_lr": 1e-3, "end_lr": 1.0}


def found(task, variations, **options):
    """The points of each variation's repeats, and the last word."""
    points, end = {}, []

    def relay():
        end.append((yield from compare(task, variations, **SWEEP | options)))

    for name, repeat, point in relay():
        points.setdefault(name, {}).setdefault(repeat, []).append(point)
    assert end == ["done"]
    return {name: list(repeats.values()) for name, repeats in points.items()}


def by_hand(optimizer=sgd, **kwargs):
    return list(range_test(subject(optimizer=optimizer, **kwargs), **SWEEP))


# By hand ------------------------------------------------------------------------------


def test_options_of_the_optimizer_make_the_sweep_one_would_have_made_with_them():
    made = found(
        subject(optimizer=sgd),
        {
            "as it is": {},
            "wd": {"weight_decay": 0.3},
            "heavy": {"momentum": 0.5, "nesterov": True},
            "as it is, again": {},
        },
    )

    def with_options(**options):
        options = {"lr": 0.05, "momentum": 0.9, **options}
        return by_hand(lambda model: SGD(model.parameters(), **options))

    assert made["as it is"] == made["as it is, again"] == [with_options()]
    assert made["wd"] == [with_options(weight_decay=0.3)]
    assert made["heavy"] == [with_options(momentum=0.5, nesterov=True)]
    assert len({tuple(p.loss for p in sweeps[0]) for sweeps in made.values()}) == 3


def test_every_param_group_gets_the_options_and_keeps_its_share_of_the_lr():
    def groups(model, **decay):
        first, *rest = model.parameters()
        return AdamW([{"params": [first], "lr": 1e-3, "weight_decay": 0.5, **decay},
                      {"params": rest, "lr": 1e-2, **decay}])  # fmt: skip

    made = found(subject(optimizer=groups), {"wd": {"weight_decay": 0.1}})
    assert made["wd"] == [by_hand(lambda model: groups(model, weight_decay=0.1))]
    assert made["wd"] != [by_hand(groups)]


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("own", [True, False])
def test_a_batch_size_makes_the_sweep_of_a_loader_with_it(shuffle, own):
    def data(size):
        generator = torch.Generator().manual_seed(5) if own else None
        return DataLoader(
            Pictures(), size, shuffle=shuffle, drop_last=True, generator=generator
        )

    made = found(
        subject(loader=data(6)), {"4": {"batch_size": 4}, "6": {"batch_size": 6}}
    )
    assert made == {"4": [by_hand(loader=data(4))], "6": [by_hand(loader=data(6))]}


def test_another_loader_is_swept_over_and_may_be_given_a_batch_size_too():
    made = found(
        subject(),
        {"list": {"loader": batches(5, seed=3)},
         "sized": {"loader": pictures(seed=4), "batch_size": 5}},
    )  # fmt: skip
    assert made["list"] == [by_hand(loader=batches(5, seed=3))]
    assert made["sized"] == [by_hand(loader=resized(pictures(seed=4), 5))]


def test_a_fixed_batch_is_the_first_of_the_loader_at_every_step():
    seeded()
    cnn()  # draws what the subject's model draws
    first = next(iter(pictures()))
    made = found(subject(), {"fixed": {"fixed_batch": True}, "sliding": {}})
    assert made["fixed"] == [by_hand(loader=[first])]
    assert made["sliding"] == [by_hand()]
    assert made["sliding"] != made["fixed"]


def test_seeds_are_those_of_all_generators_and_of_the_loaders_own():
    def by_hand_with(seed):
        task = subject(optimizer=sgd)
        seeded(seed)
        task.loader.generator.manual_seed(seed)
        return list(range_test(task, **SWEEP))

    made = found(
        subject(optimizer=sgd),
        {"three": {}, "own": {"seeds": [7]}, "none": {"seeds": None}},
        seeds=3,
    )
    assert made["three"] == [by_hand_with(seed) for seed in range(3)]
    assert made["own"] == [by_hand_with(7)]
    assert made["none"] == [by_hand()]
    assert made["three"][0] != made["three"][1]


def test_all_kinds_of_generators_of_a_loader_are_seeded():
    class Drawing:
        def __init__(self):
            self.generators = None
            self.a, self.b = np.random.default_rng(1), np.random.RandomState(2)
            self.c, self.d = random.Random(3), torch.Generator().manual_seed(4)

        def __iter__(self):
            noise = self.a.random() + self.b.rand() + self.c.random()
            noise += torch.rand((), generator=self.d).item()
            return ((x * noise, y) for x, y in batches())

    task = subject(loader=Drawing())
    before = Drawing().d.get_state()
    first = found(task, {"": {}}, seeds=[1, 2, 1])[""]
    assert first[0] == first[2] != first[1]
    assert torch.equal(task.loader.d.get_state(), before)


def test_settings_go_together():
    made = found(
        subject(optimizer=sgd),
        {"all": {"weight_decay": 0.1, "batch_size": 3, "fixed_batch": True,
                 "seeds": [4, 5]}},
    )["all"]  # fmt: skip
    for seed, points in zip([4, 5], made, strict=True):
        task = subject(
            optimizer=lambda m: SGD(m.parameters(), 0.05, 0.9, weight_decay=0.1)
        )
        seeded(seed)
        task.loader.generator.manual_seed(seed)
        states = random.getstate(), np.random.get_state(), torch.get_rng_state()
        first = next(iter(resized(task.loader, 3)))
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        hand = Task(task.model, [first], task.loss_fn, task.optimizer)
        assert list(range_test(hand, **SWEEP)) == points


def test_the_arguments_of_a_range_test_are_passed_on():
    def accuracy(output, target):
        return (output.argmax(1) == target).float().mean()

    kwargs = {"valid_loader": batches(), "metrics": [accuracy]}
    options = {"valid_every": 3, "valid_batches": 1, "snapshot_device": "model"}
    options |= {"num_iter": 60, "end_lr": 1e6, "stop_div": False}
    made = found(subject(**kwargs), {"": {}}, **options)[""]
    assert repr(made) == repr([list(range_test(subject(**kwargs), **SWEEP | options))])
    assert len(made[0]) == 60


def test_a_sweep_that_diverges_does_not_end_the_others():
    made = found(subject(loader=batches()), {"a": {}, "b": {}}, num_iter=60, end_lr=1e6)
    assert made["a"] == made["b"]
    assert len(made["a"][0]) < 60


def test_the_points_go_into_repeats():
    repeats = Repeats()
    for _, repeat, point in compare(subject(), {"": {}}, seeds=3, **SWEEP):
        repeats.append(repeat, point)
    assert len(repeats) == 3
    assert [len(column) for column in repeats.trace()] == [8] * 3


# No trace -----------------------------------------------------------------------------

GRID = {
    "wd": {"weight_decay": 0.1},
    "fixed": {"fixed_batch": True, "batch_size": 3},
    "seeds": {"seeds": 2, "momentum": 0.1},
}


@pytest.mark.parametrize("optimizer", ["SGD, used", "SGD, scheduled", "RMSprop, used"])
def test_it_leaves_no_trace(optimizer):
    task = subject(optimizer=optimizer)
    before = fingerprint(task)
    first = found(task, GRID)
    assert changes(before, fingerprint(task)) == []
    assert found(task, GRID) == first


@pytest.mark.parametrize("steps", [1, 12, 20, 30])
def test_closed_in_mid_variation_it_leaves_no_trace(steps):
    task = subject(optimizer="SGD, used")
    before = fingerprint(task)
    points = compare(task, GRID, **SWEEP)
    for _ in range(steps):
        next(points)
    assert changes(before, fingerprint(task))
    points.close()
    assert changes(before, fingerprint(task)) == []


@pytest.mark.parametrize("at", [3, 12, 20, 30])
def test_an_error_in_any_variation_leaves_no_trace(at):
    class Failing(nn.CrossEntropyLoss):
        calls = []  # of the class: not put back

        def forward(self, output, target):
            self.calls.append(1)
            if len(self.calls) == at:
                raise Blown
            return super().forward(output, target)

    Failing.calls = []
    task = subject(optimizer="SGD, fresh", loss_fn=Failing())
    before = fingerprint(task)
    with pytest.raises(Blown):
        found(task, GRID)
    assert changes(before, fingerprint(task)) == []


@pytest.mark.parametrize("kind", SUBJECTS)
def test_any_task_is_compared_without_a_trace(kind):
    made = SUBJECTS[kind]()
    before = look(made.task)
    points = found(made.task, {"as it is": {}, "seeds": {"seeds": 1}, "fixed": {
        "fixed_batch": True, "weight_decay": 0.1}}, num_iter=3)  # fmt: skip
    assert differing(before, look(made.task)) == {}
    no_trace.close(made)
    made = SUBJECTS[kind]()
    hand = list(range_test(made.task, **SWEEP | {"num_iter": 3}))
    no_trace.close(made)
    assert points["as it is"] == [hand]


def test_nothing_happens_before_the_first_point_is_asked_for():
    task = subject("eval mode", "SGD, used")
    before = fingerprint(task)
    points = compare(task, GRID)
    assert changes(before, fingerprint(task)) == []
    points.close()


# What is refused ----------------------------------------------------------------------


class Plain:
    def __iter__(self):
        return iter(batches())


class Wayward(DataLoader):
    def __iter__(self):
        yield from batches()


class Stream(IterableDataset):
    def __iter__(self):
        return iter(Pictures())


def by_hand_batches():
    return [[0, 1], [2, 3]]


REFUSED = {
    "no mapping": (None, "variations must be a mapping of at least one name"),
    "nothing": ({}, "variations must be a mapping of at least one name"),
    "a name that is none": ({3: {}}, r"variations\[3\] must be a name and a mapping"),
    "no settings": ({"a": 0.1}, r"variations\['a'\] must be a name and a mapping"),
    "lr": ({"a": {"lr": 0.1}}, r"variations\['a'\]: 'lr' is no option of SGD: use on"),
    "params": ({"a": {"params": []}}, "'params' is no option of SGD: use one of mo"),
    "a typo": (
        {"a": {}, "b": {"weight_deacy": 0.1}},
        r"variations\['b'\]: 'weight_deacy' is no option of SGD: use one of momentum,"
        " dampening, weight_decay.*or batch_size, loader, fixed_batch, seeds",
    ),
    "what the optimizer refuses": (
        {"a": {"weight_decay": -1}},
        r"variations\['a'\]: SGD does not take.*Invalid weight_decay value: -1",
    ),
    "a word": ({"a": {"weight_decay": "1e-4"}}, r"variations\['a'\]: SGD does not ta"),
    "two that do not fit": (
        {"a": {"nesterov": True, "momentum": 0}},
        r"SGD does not take.*Nesterov momentum requires a momentum",
    ),
    "batch_size zero": ({"a": {"batch_size": 0}}, "batch_size must be a whole number"),
    "batch_size true": ({"a": {"batch_size": True}}, "batch_size must be .*not True"),
    "batch_size too large": (
        {"a": {"loader": DataLoader(Pictures(), 6, drop_last=True), "batch_size": 99}},
        r"variations\['a'\]: loader is empty",
    ),
    "batch_size without a DataLoader": (
        {"a": {"loader": Plain(), "batch_size": 2}},
        "batch_size needs a DataLoader, not Plain: pass another loader as `loader`",
    ),
    "batch_size of a batch_sampler": (
        {"a": {"loader": DataLoader(Pictures(), batch_sampler=by_hand_batches()),
               "batch_size": 2}},
        r"batch_size cannot be changed.*batch_sampler.*as `loader`",
    ),
    "batch_size without batches": (
        {"a": {"loader": DataLoader(Pictures(), batch_size=None), "batch_size": 2}},
        r"batch_size cannot be changed",
    ),
    "batch_size of another __iter__": (
        {"a": {"loader": Wayward(Pictures()), "batch_size": 2}},
        r"batch_size cannot be changed in this Wayward",
    ),
    "a loader that is none": ({"a": {"loader": 3}}, r"\['a'\]: loader must be an it"),
    "an empty loader": ({"a": {"loader": []}}, r"\['a'\]: loader is empty"),
    "an iterator": ({"a": {"loader": iter([])}}, r"\['a'\]: loader is an iterator"),
    "fixed_batch": ({"a": {"fixed_batch": 1}}, "fixed_batch must be True or False"),
    **{
        f"seeds {seeds!r}": ({"a": {"seeds": seeds}}, r"\['a'\]: seeds must be how man")
        for seeds in (0, -1, True, 1.5, [], "12", [1.5], [True], [-1], [2**32], {1: 2})
    },
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_at_once(case):
    variations, words = REFUSED[case]
    task = subject(optimizer="SGD, used")
    before = fingerprint(task)
    with pytest.raises(ValueError, match=words):
        compare(task, variations)
    assert changes(before, fingerprint(task)) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"start_lr": -1}, "start_lr must be"),
        ({"num_iter": 1}, "num_iter must be"),
        ({"snapshot_device": "disk"}, "snapshot_device must be"),
        ({"valid_every": 2}, "valid_every needs a valid_loader"),
        ({"valid_batches": 0}, "valid_batches must be"),
        ({"seeds": 0}, "seeds must be how many"),
    ],
)
def test_arguments_of_the_sweeps_are_refused_at_once(options, words):
    with pytest.raises(ValueError, match=words):
        compare(subject(), {"": {}}, **options)


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (lambda m: Adam(m.parameters()), {"amsgrad": True}),
        (lambda m: RMSprop(m.parameters()), {"centered": True}),
        (lambda m: RMSprop(m.parameters()), {"momentum": 0.9}),
    ],
)
def test_a_used_optimizer_is_not_asked_for_what_it_has_no_state_for(make, options):
    task = subject(optimizer=make)
    assert len(found(task, {"a": options})["a"][0]) == 8
    task.step(batches()[0])
    with pytest.raises(ValueError, match=r"used without .* compare with a new optim"):
        compare(task, {"a": options})


class Odd(Optimizer):
    """An optimizer that cannot be made from parameters and options alone."""

    def __init__(self, params, secret, *, size=1.0):
        super().__init__(params, {"lr": secret, "size": size})

    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    step = -group["lr"] * group["size"] * parameter.grad
                    parameter.data.add_(step)


def test_an_optimizer_that_cannot_be_asked_takes_what_it_is_given():
    def odd(model, **options):
        return Odd(model.parameters(), 0.1, **options)

    made = found(subject(optimizer=odd), {"2": {"size": 2.0}})
    assert made["2"] == [by_hand(lambda model: odd(model, size=2.0))]


@pytest.mark.parametrize("make", [SGD, Adam, AdamW, RMSprop, Adadelta])
def test_optimizers_take_weight_decay(make):
    task = subject(optimizer=lambda model: make(model.parameters(), lr=0.1))
    made = found(task, {wd: {"weight_decay": float(wd)} for wd in ("0", "0.5")})
    assert made["0"] != made["0.5"]


# Loaders ------------------------------------------------------------------------------


def test_a_loader_with_another_batch_size_keeps_all_its_other_options():
    def init(worker):
        pass

    options = {
        "num_workers": 2,
        "collate_fn": list,
        "drop_last": True,
        "timeout": 3.0,
        "worker_init_fn": init,
        "generator": torch.Generator(),
        "prefetch_factor": 5,
        "persistent_workers": True,
        "multiprocessing_context": "spawn",
    }
    loader = DataLoader(Pictures(), 6, **options)
    made = resized(loader, 4)
    assert made.batch_size == 4
    for name in (*options, "dataset", "sampler", "pin_memory", "in_order"):
        assert getattr(made, name) == getattr(loader, name), name


def test_a_sampler_of_ones_own_is_kept():
    sampler = WeightedRandomSampler([1.0] * 24, 12)
    loader = DataLoader(Pictures(), 6, sampler=sampler)
    assert resized(loader, 4).sampler is sampler
    assert len(resized(loader, 4)) == 3


def test_a_stream_gets_another_batch_size():
    sizes = [len(y) for _, y in resized(DataLoader(Stream(), 6), 10)]
    assert sizes == [10, 10, 4]


def test_a_task_with_another_loader_shares_all_else():
    task = subject(valid_loader=batches(), accumulate=2)
    other = task.with_loader(data := batches(2))
    assert other.loader is data
    assert task.loader is not data
    assert {k: v for k, v in vars(other).items() if k != "loader"} == {
        k: v for k, v in vars(task).items() if k != "loader"
    }
