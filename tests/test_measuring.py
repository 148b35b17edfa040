"""Metrics and validation in a range test: what is measured, and that it costs nothing.

Nothing but time: the losses are the same with and without.
"""

import random
import weakref

import no_trace
import numpy as np
import pytest
import torch
from no_trace import SUBJECTS, differing, look
from subjects import (
    Blown,
    batches,
    changes,
    cnn,
    fingerprint,
    pictures,
    seeded,
    subject,
)
from torch import nn
from torch.amp import GradScaler
from torch.optim import SGD
from torch.utils.data import DataLoader

from lr_widget import Task, fit_one_cycle, range_test
from lr_widget.batch import Tally, detached
from lr_widget.curve import RESERVED


def accuracy(output, target):
    return (output.argmax(1) == target).float().mean()


def largest(output, target):
    return output.max()


def swept(task, num_iter=9, **options):
    return list(range_test(task, num_iter=num_iter, **options))


# Metrics of the training batches ------------------------------------------------------


def test_metrics_are_those_of_the_output_that_the_loss_came_from():
    task = subject(metrics=[accuracy, largest])
    outputs = []
    task.model.register_forward_hook(
        lambda _model, inputs, output: outputs.append(output.detach().clone())
    )
    targets, loss_fn = [], task.loss_fn
    task.loss_fn = lambda output, target: (
        targets.append(target) or loss_fn(output, target)
    )
    points = swept(task)
    assert len(outputs) == len(points)  # no second forward pass
    for point, output, target in zip(points, outputs, targets, strict=True):
        assert point.metrics == {
            "accuracy": accuracy(output, target).item(),
            "largest": largest(output, target).item(),
        }


def test_with_accumulate_they_are_the_mean_over_the_samples():
    data = [*batches(1, 2), *batches(1, 6, seed=1)]
    values = iter([0.5, 1.0] * 3)
    task = subject(loader=data, accumulate=2, metrics={"m": lambda *_: next(values)})
    assert [p.metrics["m"] for p in swept(task, 3)] == [(0.5 * 2 + 1.0 * 6) / 8] * 3


@pytest.mark.parametrize("accumulate", [1, 3])
def test_the_losses_are_the_same_with_and_without_metrics(accumulate):
    def losses(metrics):
        task = subject(metrics=metrics, accumulate=accumulate)
        return [point.loss for point in swept(task)]

    assert losses([accuracy, largest]) == losses(None)


def test_a_metric_gets_an_output_without_a_graph_and_gradients_are_off():
    seen = []

    def metric(output, target):
        seen.append((output.requires_grad, torch.is_grad_enabled()))
        return 0.0

    swept(subject(metrics=[metric]), 3)
    assert seen == [(False, False)] * 3


def test_a_metric_may_change_its_output_in_place():
    def rude(output, target):
        output.zero_()
        return 0.0

    polite = [point.loss for point in swept(subject())]
    assert [point.loss for point in swept(subject(metrics=[rude]))] == polite


def test_without_metrics_a_point_has_none():
    assert all(point.metrics == {} for point in swept(subject()))


def test_a_fit_computes_no_metrics_of_its_steps():
    calls = []
    task = subject(metrics={"m": lambda *_: calls.append(1) or 0.0})
    points = list(fit_one_cycle(task, max_lr=0.1))
    assert calls == []
    assert all(point.metrics == {} for point in points)


def test_a_step_that_the_scaler_skipped_does_not_count():
    values = iter(range(100))
    task = subject(
        loss_fn=lambda output, target: (
            100 * nn.functional.cross_entropy(output, target)
        ),
        scaler=GradScaler("cpu", init_scale=2.0**127),
        metrics={"m": lambda *_: next(values)},
        device="cpu",
    )
    points = swept(task, 3)
    assert points[0].metrics["m"] > 0
    assert points[2].metrics["m"] == points[0].metrics["m"] + 2


def test_no_graph_is_alive_while_the_next_batch_is_computed():
    alive, graphs = [], []

    class Loss(nn.CrossEntropyLoss):
        def forward(self, output, target):
            alive.append(sum(graph() is not None for graph in graphs))
            loss = super().forward(output, target)
            graphs.append(weakref.ref(loss))
            return loss

    swept(subject(loss_fn=Loss(), accumulate=3, metrics=[accuracy]), 3)
    assert alive == [0] * 9


class Adding(nn.Module):
    """A metric that adds up what it sees, as those of torchmetrics do."""

    def __init__(self):
        super().__init__()
        self.register_buffer("total", torch.zeros(()))
        self.seen = []

    def forward(self, output, target):
        self.total += len(target)
        self.seen.append(len(target))
        return self.total


class Counting:
    """A metric that is an object of one's own."""

    def __init__(self):
        self.calls = 0

    def __call__(self, output, target):
        self.calls += 1
        return float(self.calls)


def test_a_metric_that_is_an_object_is_as_before_afterwards():
    metrics = {"adding": Adding(), "counting": Counting()}
    task = subject(metrics=metrics, valid_loader=batches())
    metrics["adding"](None, [1, 2])
    first = [p.metrics for p in swept(task, 5, valid_every=2)]
    assert first[0]["adding"] == 8.0
    assert first[1]["adding"] == 14.0  # and not what was seen in the validation
    assert (metrics["adding"].total, metrics["adding"].seen) == (2, [2])
    assert metrics["counting"].calls == 0
    assert [p.metrics for p in swept(task, 5, valid_every=2)] == first


@pytest.mark.parametrize("name", [*sorted(RESERVED), "valid_accuracy"])
def test_a_metric_cannot_have_the_name_of_a_column(name):
    with pytest.raises(ValueError, match=f"metrics cannot have the name '{name}'"):
        subject(metrics={name: accuracy})


class Answer(dict):
    """A mapping that has its entries as attributes too, as Hugging Face's have."""

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        setattr(self, key, value)


def test_outputs_of_any_form_lose_their_graph():
    tensor = torch.ones(1, requires_grad=True) * 2
    answer = Answer()
    answer["logits"], answer["states"] = tensor, (tensor, [tensor], "word")
    free = detached(answer)
    assert type(free) is Answer
    assert not free.logits.requires_grad
    assert not free["states"][1][0].requires_grad
    assert free["states"][2] == "word"
    assert answer.logits is tensor


def test_the_tally_of_one_batch_is_exactly_its_values():
    tally = Tally()
    tally.add({"m": 0.1}, 3)
    assert tally.means() == {"m": 0.1}


# Validation every so many steps -------------------------------------------------------


def valid_data():
    """Shuffled and augmented, so that drawing moves every generator."""
    return pictures(18, own_generator=False, seed=3)


@pytest.mark.parametrize(
    ("every", "count", "steps"),
    [
        (1, 5, [0, 1, 2, 3, 4]),
        (2, 5, [0, 2, 4]),
        (3, 5, [0, 3, 4]),
        (7, 3, [0, 2]),
        (np.int64(2), 4, [0, 2, 3]),
    ],
)
def test_it_is_measured_from_the_first_step_on_and_at_the_last(every, count, steps):
    task = subject(valid_loader=valid_data(), metrics=[accuracy])
    points = swept(task, count, valid_every=every)
    for name in ("valid_loss", "valid_accuracy"):
        assert [p.step for p in points if name in p.metrics] == steps
    assert all("accuracy" in point.metrics for point in points)


def test_it_is_measured_at_the_step_where_the_sweep_diverged():
    task = subject(valid_loader=batches())
    points = swept(task, 60, end_lr=1e6, valid_every=50)
    assert len(points) < 60
    assert [p.step for p in points if p.metrics] == [
        *range(0, len(points) - 1, 50),
        len(points) - 1,
    ]


def test_it_is_what_the_model_makes_of_the_batches_after_the_update():
    data = batches(3, seed=7)
    task = subject(valid_loader=data, metrics=[accuracy])
    for point in range_test(task, num_iter=6, valid_every=2, valid_batches=2):
        if point.step % 2 and point.step != 5:
            continue
        flags = [module.training for module in task.model.modules()]
        seen = task.model.seen.clone()
        task.model.eval()
        with torch.no_grad():
            made = [(task.model(x), y) for x, y in data[:2]]
            losses = [task.loss_fn(*pair) for pair in made]
            scores = [accuracy(*pair) for pair in made]
        task.model.seen.copy_(seen)
        for module, flag in zip(task.model.modules(), flags, strict=True):
            module.training = flag
        assert point.metrics["valid_loss"] == pytest.approx(float(sum(losses)) / 2)
        assert point.metrics["valid_accuracy"] == pytest.approx(float(sum(scores)) / 2)


def test_the_batches_are_drawn_once_and_no_more_than_asked_for():
    class Loader:
        drawn = begun = 0

        def __iter__(self):
            self.begun += 1
            for batch in batches(9):
                self.drawn += 1
                yield batch

    for asked, drawn in ((4, 4), (2, 2), (20, 9)):
        loader = Loader()
        swept(subject(valid_loader=loader), 6, valid_every=2, valid_batches=asked)
        assert (loader.begun, loader.drawn) == (1, drawn)


def test_the_batches_stay_the_same_in_the_whole_sweep():
    seen = []

    def metric(output, target):
        seen.append(target.tolist())
        return 0.0

    task = subject(valid_loader=valid_data(), metrics=[metric], loader=batches(1))
    swept(task, 5, valid_every=1, valid_batches=2)
    valid = [target for i, target in enumerate(seen) if i % 3]
    assert valid[0] != valid[1]
    assert valid == valid[:2] * 5


@pytest.mark.parametrize("own_generator", [True, False])
def test_the_losses_are_the_same_with_and_without_validation(own_generator):
    found = []
    for options in ({}, {"valid_every": 1}, {"valid_every": 3, "valid_batches": 1}):
        task = subject(
            loader=pictures(own_generator=own_generator), valid_loader=valid_data()
        )
        assert any(isinstance(m, nn.Dropout) for m in task.model.modules())
        found.append([point.loss for point in swept(task, 12, **options)])
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("kind", SUBJECTS)
def test_any_task_trains_as_without_validation_and_keeps_no_trace_of_it(kind):
    found = []
    for options in ({}, {"valid_every": 2, "valid_batches": 2}):
        made = SUBJECTS[kind]()
        task = made.task
        # Of another size: a hidden state that was carried over would not fit.
        task.valid_loader = batches(3, 4)
        if getattr(task.loader, "batch_size", None):
            task.valid_loader = DataLoader(task.loader.dataset, 4)
        before = look(task)
        found.append([point.loss for point in swept(task, 6, **options)])
        assert differing(before, look(task)) == {}
        no_trace.close(made)
    assert found[0] == found[1]


class Restless(nn.CrossEntropyLoss):
    """Draws from all three generators at each evaluation."""

    def forward(self, output, target):
        if not torch.is_grad_enabled():
            random.random(), np.random.rand(), torch.rand(3)
        return super().forward(output, target)


def test_an_evaluation_that_draws_does_not_move_the_training():
    found = []
    for options in ({}, {"valid_every": 1}):
        task = subject(
            loss_fn=Restless(),
            loader=pictures(own_generator=False),
            valid_loader=batches(),
        )
        found.append([point.loss for point in swept(task, **options)])
    assert found[0] == found[1]


def test_the_loader_of_the_training_may_be_that_of_the_validation():
    found = []
    for options in ({}, {"valid_every": 2}):
        task = subject()
        task.valid_loader = task.loader
        before = fingerprint(task)
        found.append([point.loss for point in swept(task, 9, **options)])
        assert changes(before, fingerprint(task)) == []
    assert found[0] == found[1]


def test_the_position_of_the_validation_loader_is_put_back():
    generator = torch.Generator().manual_seed(1)
    samples = list(zip(*batches(1, 12)[0], strict=True))
    loader = DataLoader(samples, 3, shuffle=True, generator=generator)
    before = generator.get_state()
    swept(subject(valid_loader=loader), 4, valid_every=2)
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize("valid_every", [None, 2])
def test_an_autocast_of_the_caller_trains_and_validates_as_the_tasks_own(valid_every):
    def found(**parts):
        task = subject(valid_loader=batches(), device="cpu", **parts)
        return swept(task, 8, start_lr=1e-2, valid_every=valid_every)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        ambient = found()
    assert ambient == found(autocast=torch.bfloat16)


class Failing:
    """A loss that fails at its first evaluation."""

    def __init__(self, model):
        self.model = model

    def __call__(self, output, target):
        if not self.model.training:
            raise Blown
        return nn.functional.cross_entropy(output, target)


def test_an_error_in_the_validation_leaves_no_trace():
    seeded()
    model = cnn()
    optimizer, valid = SGD(model.parameters(), 0.1), valid_data()
    task = Task(model, batches(), Failing(model), optimizer, valid_loader=valid)
    before = fingerprint(task)
    random_state = random.getstate()
    with pytest.raises(Blown):
        swept(task, valid_every=2)
    assert changes(before, fingerprint(task)) == []
    assert random.getstate() == random_state


def test_without_metrics_the_validation_loss_is_measured_alone():
    points = swept(subject(valid_loader=batches()), 2, valid_every=1)
    assert [list(point.metrics) for point in points] == [["valid_loss"]] * 2


# What is refused ----------------------------------------------------------------------

REFUSED = {
    "no valid_loader": (
        {"valid_every": 2},
        {"valid_loader": None},
        "valid_every needs a valid_loader: pass one to the task, or leave",
    ),
    "an iterator": (
        {"valid_every": 2},
        {"valid_loader": iter(batches())},
        "valid_loader is an iterator: pass a DataLoader",
    ),
    **{
        f"{name} {value!r}": (
            {"valid_every": 2, name: value},
            {},
            f"{name} must be a whole number of at least 1, not {value!r}: try",
        )
        for name in ("valid_every", "valid_batches")
        for value in (0, -1, 1.5, "2", True)
    },
    "valid_batches None": ({"valid_batches": None}, {}, "valid_batches must be a w"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_at_once(case):
    options, parts, words = REFUSED[case]
    task = subject(**{"valid_loader": batches(), **parts})
    before = fingerprint(task)
    with pytest.raises(ValueError, match=words):
        range_test(task, **options)
    assert changes(before, fingerprint(task)) == []


def test_a_validation_loader_that_gives_nothing_is_refused_before_the_first_step():
    task = subject(valid_loader=Nothing())
    before = fingerprint(task)
    steps = []
    task.optimizer.register_step_post_hook(lambda *_: steps.append(1))
    with pytest.raises(ValueError, match=r"valid_loader gave no batch: .* fill it"):
        swept(task, valid_every=2)
    assert steps == []
    assert changes(before, fingerprint(task)) == []


class Nothing:
    """An iterable without a length and without a batch."""

    def __iter__(self):
        return iter(())
