"""Best: the weights of the best epoch are kept, and come back."""

import math

import pytest
import torch
from subjects import batches, changes, fingerprint, pictures, subject

from lr_widget import Epoch, Point, fit_one_cycle
from lr_widget.best import Best


def hits(output, target):
    return (output.argmax(1) == target).float().mean()


def error_rate(output, target):
    return 1 - hits(output, target)


METRICS = {"hits": hits, "error_rate": error_rate}


def task(**options):
    given = {"valid_loader": pictures(20, seed=1), "metrics": METRICS}
    return subject(optimizer="AdamW, fresh", **{**given, **options})


def weights(task):
    return {name: value.clone() for name, value in task.model.state_dict().items()} | {
        name: value.clone() for name, value in task.model.named_buffers()
    }


@pytest.mark.parametrize("measure", ["valid_loss", "train_loss", "hits", "error_rate"])
def test_it_keeps_the_weights_of_the_best_epoch_and_puts_them_back(measure):
    subject = task()
    best, seen = Best(subject, measure), []
    for point in fit_one_cycle(subject, max_lr=0.5, epochs=6, on_step=best):
        if point.epoch:
            epoch = point.epoch
            value = {**epoch.metrics, "valid_loss": epoch.valid_loss}
            value["train_loss"] = epoch.train_loss
            seen.append((value[measure], epoch, weights(subject)))
    extreme = max if measure == "hits" else min
    value = extreme(value for value, *_ in seen)
    _, epoch, kept = next(entry for entry in seen if entry[0] == value)
    assert best.epoch is epoch
    held = {name: id(each) for name, each in subject.model.named_parameters()}
    best.restore()
    for name, weight in weights(subject).items():
        assert torch.equal(weight, kept[name]), name
    assert held == {name: id(each) for name, each in subject.model.named_parameters()}


def at(number, value):
    epoch = Epoch(number, number * 4 - 1, 1.0, value, {"hits": value})
    return Point(epoch.step, 0.1, 1.0, epoch)


@pytest.mark.parametrize(
    ("measure", "values", "winner"),
    [
        ("valid_loss", [3.0, 1.0, 2.0], 2),
        ("valid_loss", [1.0, 1.0], 1),
        ("valid_loss", [math.nan, 5.0, math.nan], 2),
        ("valid_loss", [math.nan, math.nan], 1),
        ("valid_loss", [math.inf, 2.0, -math.inf, math.nan], 3),
        ("hits", [0.5, 0.7, 0.7, 0.6], 2),
        ("hits", [math.nan, 0.1, math.nan, 0.2], 4),
        ("hits", [-math.inf, -1.0], 2),
    ],
)
def test_the_best_is_the_first_of_the_best_and_never_nan_if_there_is_another(
    measure, values, winner
):
    best = Best(task(), measure)
    for number, value in enumerate(values, start=1):
        best(at(number, value))
    assert best.epoch.epoch == winner


def test_an_epoch_whose_validation_was_stopped_is_passed_over():
    best = Best(task(), "hits")
    best(Point(3, 0.1, 1.0, Epoch(1, 3, 1.0)))
    assert best.epoch is None
    best(at(2, 0.5))
    best(Point(11, 0.1, 1.0, Epoch(3, 11, 1.0)))
    assert best.epoch.epoch == 2


def test_a_point_within_an_epoch_is_looked_at_and_no_more():
    best = Best(task())
    best(Point(0, 0.1, 1.0))
    assert best.epoch is None


def test_a_copy_is_no_view_of_the_model():
    subject = task()
    best = Best(subject)
    best(at(1, 1.0))
    before = weights(subject)
    with torch.no_grad():
        for parameter in subject.model.parameters():
            parameter.zero_()
    best.restore()
    best.restore()
    for name, weight in weights(subject).items():
        assert torch.equal(weight, before[name]), name


def test_without_an_epoch_there_is_none_to_restore():
    subject = task()
    before = fingerprint(subject)
    with pytest.raises(RuntimeError, match=r"no epoch has ended.*on_step= to a fit"):
        Best(subject).restore()
    assert changes(before, fingerprint(subject)) == []


def test_what_it_holds_goes_to_another_one():
    subject = task()
    one, other = Best(subject, "hits"), Best(subject, "hits")
    one(at(1, 0.5))
    other.load_state_dict(one.state_dict())
    assert other.epoch == one.epoch
    other(at(2, 0.4))
    assert other.epoch.epoch == 1
    fresh = Best(subject)
    fresh.load_state_dict(Best(subject).state_dict())
    assert fresh.epoch is None


def test_the_state_of_another_measure_is_refused():
    with pytest.raises(
        ValueError, match=r"measure is 'hits' there and 'valid_loss' he"
    ):
        Best(task()).load_state_dict(Best(task(), "hits").state_dict())


@pytest.mark.parametrize(
    ("options", "measure", "words"),
    [
        ({"valid_loader": None}, "valid_loss", "'valid_loss' needs a valid_loader: pa"),
        (
            {"valid_loader": None},
            "hits",
            "measure 'hits' needs a valid_loader: pass on",
        ),
        (
            {},
            "accuracy",
            "measure must be one of train_loss, valid_loss, hits, error_rate, not 'acc",
        ),
        ({"valid_loader": None}, "f1", "measure must be one of train_loss, not 'f1'"),
    ],
)
def test_a_measure_that_is_not_taken_is_refused_at_once(options, measure, words):
    with pytest.raises(ValueError, match=words):
        Best(task(**options), measure)


def test_without_a_valid_loader_the_training_loss_can_be_the_measure():
    subject = task(valid_loader=None, loader=batches())
    best = Best(subject, "train_loss")
    points = list(fit_one_cycle(subject, max_lr=0.05, epochs=3, on_step=best))
    losses = [point.epoch.train_loss for point in points if point.epoch]
    assert best.epoch.train_loss == min(losses)
