"""Metrics that gather: exact over all batches, and compared with torchmetrics' own."""

import copy

import pytest
import torch
from no_trace import differing, look
from subjects import CLASSES, batches, changes, fingerprint, seeded, subject
from torch import nn
from torch.optim import SGD

from lr_widget import Task, compare, fit_one_cycle, range_test
from lr_widget.metric import number

UNEVEN = [*batches(3, seed=2), *batches(1, size=2, seed=1)]
MANY = {"task": "multiclass", "num_classes": CLASSES}


@pytest.fixture(scope="module")
def metrics():
    return pytest.importorskip("torchmetrics", reason="torchmetrics is not installed")


CLASSIFIERS = {
    "Accuracy": lambda tm: tm.Accuracy(**MANY),
    "F1 macro": lambda tm: tm.F1Score(**MANY, average="macro"),
    "AUROC": lambda tm: tm.AUROC(**MANY),
    "AUROC, binned": lambda tm: tm.AUROC(**MANY, thresholds=5),
    "Cohen's kappa": lambda tm: tm.CohenKappa(**MANY),
}
REGRESSORS = {
    "R2": lambda tm: tm.R2Score(),
    "MSE": lambda tm: tm.MeanSquaredError(),
    "RMSE": lambda tm: tm.MeanSquaredError(squared=False),
    "Pearson": lambda tm: tm.PearsonCorrCoef(),
}


def line(metric, **options):
    """A regression."""
    seeded()
    model = nn.Sequential(nn.Flatten(0), nn.Unflatten(0, (-1, 3)), nn.Linear(3, 1))
    model.append(nn.Flatten(0))
    data = [(torch.randn(n, 3), torch.randn(n)) for n in (6, 6, 6, 2)]
    optimizer = SGD(model.parameters(), 0.05)
    return Task(model, data, nn.MSELoss(), optimizer, valid_loader=data[::-1],
                metrics={"m": metric}, device="cpu", **options)  # fmt: skip


def made(kind, tm, **options):
    if kind in REGRESSORS:
        return line(REGRESSORS[kind](tm), **options)
    metrics = {"m": CLASSIFIERS[kind](tm)}
    return classes(metrics, **options)


def classes(metrics, **options):
    """A classification by logits: no batch of them looks like probabilities."""
    task = subject(loader=batches(), valid_loader=UNEVEN, metrics=metrics, **options)
    with torch.no_grad():
        task.model.body[5].weight.mul_(20)
    return task


def at_once(task, metric, data):
    """What a metric makes of all samples of some batches, given in one piece."""
    task.model.eval()
    with torch.no_grad():
        pairs = [(task.model(x), y) for x, y in data]
    task.model.train()
    outputs, targets = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    return float(copy.deepcopy(metric)(outputs, targets))


# Validation ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*CLASSIFIERS, *REGRESSORS])
def test_in_validation_it_is_that_of_all_samples_at_once(kind, metrics):
    task = made(kind, metrics)
    fresh = copy.deepcopy(task.metrics["m"])
    for _ in range(2):  # it is reset before each
        expected = at_once(task, fresh, task.valid_loader)
        assert task.validate()[1]["m"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", ["F1 macro", "AUROC", "R2", "RMSE"])
def test_a_mean_over_the_batches_would_be_wrong(kind, metrics):
    task = made(kind, metrics)
    gathered, fresh = task.validate()[1]["m"], copy.deepcopy(task.metrics["m"])
    task.metrics = {"m": lambda output, target: copy.deepcopy(fresh)(output, target)}
    assert abs(task.validate()[1]["m"] - gathered) > 1e-3


def test_each_epoch_of_a_fit_has_the_exact_value_and_what_was_seen_last_stays(metrics):
    task = made("F1 macro", metrics)
    metric = task.metrics["m"]
    fresh = copy.deepcopy(metric)
    for point in fit_one_cycle(task, max_lr=0.1, epochs=3):
        if point.epoch is not None:
            expected = at_once(task, fresh, UNEVEN)
            assert point.epoch.metrics == {"m": pytest.approx(expected)}
            assert float(metric.compute()) == point.epoch.metrics["m"]


# A range test -------------------------------------------------------------------------


@pytest.mark.parametrize("accumulate", [1, 3])
def test_in_a_range_test_it_is_that_of_the_steps_batches_together(metrics, accumulate):
    task = made("F1 macro", metrics, accumulate=accumulate)
    fresh, pairs, values = copy.deepcopy(task.metrics["m"]), [], []
    loss_fn = task.loss_fn

    def watched(output, target):
        pairs.append((output.detach().clone(), target))
        return loss_fn(output, target)

    task.loss_fn = watched
    for point in range_test(task, num_iter=5):
        outputs, targets = (torch.cat(parts) for parts in zip(*pairs, strict=True))
        assert len(pairs) == accumulate
        assert point.metrics["m"] == float(copy.deepcopy(fresh)(outputs, targets))
        values.append(point.metrics["m"])
        pairs.clear()
    assert len({*values}) > 1


@pytest.mark.parametrize("kind", ["F1 macro", "AUROC", "R2"])
def test_what_it_held_before_a_range_test_it_holds_afterwards(kind, metrics):
    task = made(kind, metrics)
    metric, points = task.metrics["m"], []
    task.validate()
    before = look(task), fingerprint(task), float(metric.compute()), state(metric)
    for _ in range(2):
        points.append(list(range_test(task, num_iter=5, valid_every=2)))
        assert differing(before[0], look(task)) == {}
        assert changes(before[1], fingerprint(task)) == []
        metric._computed = None  # it computes anew from what it holds
        assert float(metric.compute()) == before[2]
        assert state(metric) == before[3]
    assert points[0] == points[1]
    assert all("m" in point.metrics for point in points[0])
    assert [p.step for p in points[0] if "valid_m" in p.metrics] == [0, 2, 4]


def state(metric):
    """What a torchmetrics object has gathered, as numbers."""
    held = {name: getattr(metric, name) for name in metric._defaults}
    return {
        name: [v.tolist() for v in value] if isinstance(value, list) else value.tolist()
        for name, value in held.items()
    }


def test_validation_during_a_range_test_is_exact_and_does_not_mix_with_the_steps(
    metrics,
):
    found = []
    for every in (None, 1):
        task = made("AUROC", metrics)
        fresh = copy.deepcopy(task.metrics["m"])
        sweep = range_test(task, num_iter=4, valid_every=every, valid_batches=9)
        values = []
        for point in sweep:
            values.append(point.metrics["m"])
            if every:
                with torch.random.fork_rng():
                    seen = task.model.seen.clone()
                    expected = at_once(task, fresh, UNEVEN)
                    task.model.seen.copy_(seen)
                assert point.metrics["valid_m"] == pytest.approx(expected)
        found.append(values)
    assert found[0] == found[1]


def test_a_comparison_measures_it_in_each_sweep(metrics):
    task = made("F1 macro", metrics)
    alone = [point.metrics for point in range_test(task, num_iter=4)]
    pairs = list(compare(task, {"a": {}, "b": {}}, num_iter=4))
    assert [p.metrics for name, _, p in pairs if name == "a"] == alone
    assert [p.metrics for name, _, p in pairs if name == "b"] == alone


# Collections --------------------------------------------------------------------------


def two_thresholds(tm):
    """They are the same on the first batch, and not on the second."""
    return tm.MetricCollection({
        "low": tm.Accuracy("binary", threshold=0.5),
        "high": tm.Accuracy("binary", threshold=0.8),
    })  # fmt: skip


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("names", [{}, {"prefix": "my_"}, {"postfix": "_all"}])
def test_a_collection_gives_each_of_its_metrics_by_its_name(metrics, names, used):
    parts = [CLASSIFIERS[kind](metrics) for kind in ("Accuracy", "F1 macro", "AUROC")]
    parts.append(metrics.Precision(**MANY, average="macro"))
    parts.append(metrics.AveragePrecision(**MANY))
    collection = metrics.MetricCollection(parts, **names)
    if used:  # it has formed its groups
        collection.update(torch.randn(6, CLASSES), torch.arange(6) % CLASSES)
    task = classes(collection)
    assert list(task.metrics) == list(collection.keys())
    assert len(task.metrics) == 5
    expected = {
        name: pytest.approx(at_once(task, reset(part), UNEVEN))
        for name, part in copy.deepcopy(collection).items()
    }
    for _ in range(2):
        assert task.validate()[1] == expected
    points = list(range_test(task, num_iter=3, valid_every=1))
    assert set(points[0].metrics) == {
        "valid_loss",
        *expected,
        *(f"valid_{name}" for name in expected),
    }


def reset(metric):
    metric = copy.deepcopy(metric)
    metric.reset()
    return metric


def test_metrics_that_are_alike_on_the_first_batch_are_told_apart(metrics):
    data = [
        (torch.tensor([[0.9], [0.1]]), torch.tensor([[1], [0]])),
        (torch.tensor([[0.6], [0.7]]), torch.tensor([[1], [1]])),
    ]
    model = nn.Linear(1, 1)
    nn.init.ones_(model.weight), nn.init.zeros_(model.bias)
    collection = two_thresholds(metrics)
    for x, y in data:
        collection.update(x, y)
    assert collection.compute()["low"] == 0.5  # what torchmetrics' group makes of it
    task = Task(
        model,
        data,
        lambda output, target: (output - target).square().mean(),
        valid_loader=data,
        metrics=two_thresholds(metrics),
        device="cpu",
    )
    assert task.validate()[1] == {"low": 1.0, "high": 0.5}


def test_the_users_own_collection_is_left_alone(metrics):
    collection = metrics.MetricCollection([metrics.Accuracy(**MANY)])
    task = subject(loader=batches(), valid_loader=UNEVEN, metrics=collection)
    task.validate()
    assert collection["MulticlassAccuracy"].update_count == 0


# What counts as one -------------------------------------------------------------------


class Range:
    """Largest minus smallest of all outputs: no mean of batches is that."""

    def __init__(self):
        self.seen, self.calls, self.grad = [], [], []

    def reset(self):
        self.calls.append("reset")
        self.seen = []

    def update(self, output, target):
        self.calls.append("update")
        self.grad.append(torch.is_grad_enabled() or output.requires_grad)
        self.seen += output.flatten().tolist()

    def compute(self):
        self.calls.append("compute")
        self.grad.append(torch.is_grad_enabled())
        return torch.tensor([max(self.seen) - min(self.seen)])


def test_any_object_that_resets_updates_and_computes_is_gathered_without_gradients():
    metric = Range()
    task = subject(loader=batches(), valid_loader=UNEVEN, metrics=[metric])
    value = task.validate()[1]["Range"]
    assert metric.calls == ["reset", *["update"] * 4, "compute"]
    task.model.eval()
    outputs = torch.cat([task.model(x).detach() for x, _ in UNEVEN])
    assert value == pytest.approx(float(outputs.max() - outputs.min()))
    grad = metric.grad
    list(range_test(task, num_iter=3, valid_every=1))
    list(fit_one_cycle(task, max_lr=0.1))
    assert len(grad) > 5
    assert not any(grad)


def test_a_fit_does_not_measure_its_steps():
    metric = Range()
    task = subject(loader=batches(), metrics=[metric])
    list(fit_one_cycle(task, max_lr=0.1))
    assert metric.calls == []


def test_values_come_in_the_order_that_was_given():
    metrics = {"range": Range(), "mean": lambda o, t: o.mean(), "again": Range()}
    task = subject(loader=batches(), valid_loader=UNEVEN, metrics=metrics)
    assert list(task.validate()[1]) == ["range", "mean", "again"]
    (point, _) = range_test(task, num_iter=2)
    assert list(point.metrics) == ["range", "mean", "again"]


def test_one_object_under_two_names_sees_each_batch_once():
    metric = Range()
    task = subject(valid_loader=UNEVEN, metrics={"a": metric, "b": metric})
    values = task.validate()[1]
    assert values["a"] == values["b"]
    assert metric.calls.count("update") == len(UNEVEN)


def test_it_is_moved_to_the_tasks_device(metrics):
    metric = metrics.Accuracy(**MANY)
    task = subject(metrics=[metric], valid_loader=UNEVEN, device="meta")
    assert metric.device == task.device == torch.device("meta")


def test_a_validation_that_is_stopped_computes_nothing():
    metric, asked = Range(), iter([False, True])
    task = subject(valid_loader=UNEVEN, metrics=[metric])
    assert task.validate(lambda: next(asked)) is None
    assert metric.calls == ["reset", "update"]


# What is refused ----------------------------------------------------------------------


def test_what_is_no_metric_is_refused_at_once(metrics):
    accuracy = metrics.Accuracy(**MANY)
    for wrong, words in {
        "bare": (accuracy, r"metrics must be a list or a mapping: pass \[metric\]"),
        "twice": ([accuracy, copy.deepcopy(accuracy)], "more than once.*a mapping"),
        "class": ([Range], r"metrics\['Range'\] is a class: pass an object, Range\("),
        "inner": (
            [metrics.MetricCollection([accuracy])],
            r"metrics\['MetricCollection'\] is a collection.*pass it alone",
        ),
        "name": (
            metrics.MetricCollection({"loss": accuracy}),
            "metrics cannot have the name 'loss'",
        ),
        "prefix": (
            metrics.MetricCollection([accuracy], prefix="valid_"),
            "metrics cannot have the name 'valid_MulticlassAccuracy'",
        ),
    }.values():
        with pytest.raises(ValueError, match=words):
            subject(metrics=wrong)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (torch.ones(3), r"a tensor of shape \(3,\)"),
        ({"a": 1.0}, "a dict"),
        ((1.0, 2.0), "a tuple"),
        (None, "a NoneType"),
        ("much", "a str"),
    ],
)
def test_what_is_not_one_number_is_refused_by_name_with_a_remedy(value, found):
    words = rf"metrics\['m'\] gives {found}, not one number: .*average=\"macro\""
    with pytest.raises(ValueError, match=words):
        number("m", value)
    task = subject(valid_loader=UNEVEN, metrics={"m": lambda output, target: value})
    with pytest.raises(ValueError, match=words):
        task.validate()


def test_a_value_per_class_is_refused_in_a_range_test_which_leaves_no_trace(metrics):
    task = subject(metrics={"f1": metrics.F1Score(**MANY, average=None)})
    before = fingerprint(task)
    with pytest.raises(ValueError, match=r"metrics\['f1'\] gives a tensor of shape"):
        list(range_test(task, num_iter=3))
    assert changes(before, fingerprint(task)) == []
