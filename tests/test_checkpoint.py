"""A checkpoint: a fit that is resumed is bit for bit one that was not interrupted."""

import copy
import os
import pickle
import random
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from subjects import (
    CLASSES,
    SIDE,
    Blown,
    Fuse,
    Net,
    Pictures,
    batches,
    changes,
    cnn,
    fingerprint,
    pictures,
    seeded,
)
from torch import nn
from torch.amp import GradScaler
from torch.optim import SGD, AdamW, RMSprop
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, IterableDataset, RandomSampler

from lr_widget import Task, fit_one_cycle
from lr_widget.best import Best
from lr_widget.fine_tuning import fine_tune


@pytest.fixture(autouse=True)
def powered(monkeypatch):
    """No test cuts the power, and a busy disk is slow to say that it has all."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


class EMA:
    """A hook with a state: a moving average of the weights."""

    def __init__(self, task):
        self.model = task.model
        self.average = AveragedModel(
            task.model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True
        )

    def __call__(self, point):
        self.average.update_parameters(self.model)

    def state_dict(self):
        return self.average.state_dict()

    def load_state_dict(self, state):
        self.average.load_state_dict(state)


class Noisy(Net):
    """It draws from a generator of its own, and says something of its own accord."""

    def __init__(self):
        super().__init__(*cnn().body)
        self.noise, self.calls = torch.Generator().manual_seed(3), 0

    def forward(self, images):
        self.calls += self.training
        shape = images.shape
        noise = torch.randn(shape, generator=self.noise) * (self.calls % 3)
        return super().forward(images + 0.1 * noise)

    def get_extra_state(self):
        return {"calls": self.calls}

    def set_extra_state(self, state):
        self.calls = state["calls"]


class Counting(SGD):
    """It keeps a state among its options, as Prodigy and schedule-free ones do."""

    def __init__(self, model):
        super().__init__(model.parameters(), lr=0.05, momentum=0.9)
        self.param_groups[0].update(k=0, d=torch.zeros(()), seen=())

    @torch.no_grad()
    def step(self, closure=None):
        super().step(closure)
        (group,) = self.param_groups
        group["k"], group["seen"] = group["k"] + 1, (*group["seen"], group["k"])
        group["d"] += 0.1
        for parameter in group["params"]:
            parameter -= 1e-3 * group["k"] * group["d"]


class Centres(nn.Module):
    """A loss that learns too, as a center loss does."""

    def __init__(self):
        super().__init__()
        self.centres = nn.Parameter(torch.randn(CLASSES))

    def forward(self, output, target):
        near = (output - self.centres[target][:, None]).square().mean()
        return nn.functional.cross_entropy(output, target) + 0.1 * near


class Stream(IterableDataset):
    """A stream that is shuffled anew in each pass, by two kinds of generators."""

    def __init__(self):
        self.rng = np.random.default_rng(5)
        self.plain = random.Random(6)

    def __iter__(self):
        order = self.rng.permutation(21).tolist()
        images, labels = Pictures(21).images, Pictures(21).labels
        for i in order:
            yield images[i] * self.plain.uniform(0.8, 1.2), labels[i]


class Position:
    """A loader that goes on where it was left, and can tell where that is."""

    def __init__(self):
        self.at = 0

    def __len__(self):
        return 4

    def __iter__(self):
        for _ in range(4):
            self.at += 1
            yield batches(1, seed=self.at)[0]

    def state_dict(self):
        return {"at": self.at}

    def load_state_dict(self, state):
        self.at = state["at"]


def sgd(net):
    return SGD(net.parameters(), lr=0.05, momentum=0.9)


def adamw(net):
    return AdamW(net.parameters())


def groups(net, kind=AdamW):
    parts = net.body[:5].parameters(), net.body[5:].parameters()
    return kind([{"params": part} for part in parts], lr=1e-3)


def by_samplers():
    draws = RandomSampler(Pictures(), replacement=True, num_samples=20)
    return DataLoader(Pictures(), batch_size=6, sampler=draws)


def stateful():
    from torchdata.stateful_dataloader import StatefulDataLoader

    return StatefulDataLoader(Pictures(), batch_size=6, shuffle=True)


def shared():
    return pictures(own_generator=False)


def half(**options):
    scaler = GradScaler("cpu", init_scale=2.0**18, growth_interval=3)
    return {"scaler": scaler, "autocast": torch.float16, **options}


#: Name to what the subject is made of, and how it is fitted.
CASES = {
    "SGD": {},
    "AdamW": {"optimizer": adamw},
    "RMSprop": {"optimizer": lambda net: RMSprop(net.parameters(), momentum=0.5)},
    "options that count": {"optimizer": Counting},
    "generator of its own": {"loader": pictures},
    "two param groups": {"optimizer": groups},
    "samplers": {"loader": by_samplers},
    "accumulate": {"loader": lambda: pictures(41), "options": {"accumulate": 3}},
    "scaler": {"options": half},
    "scaler that accumulates": {"options": lambda: half(accumulate=2, clip_norm=0.3)},
    "best": {"hook": lambda task: Best(task, "hits")},
    "EMA": {"hook": EMA},
    "generator of the model": {"model": Noisy},
    "a loss that learns": {"loss": Centres},
    "stream": {
        "loader": lambda: DataLoader(Stream(), batch_size=6),
        "fit": {"steps_per_epoch": 3},
    },
    "passes run on": {"fit": {"steps_per_epoch": 3}},
    "a list": {"loader": batches},
    "position": {"loader": Position},
    "torchdata": {"loader": stateful},
    "fine-tuning": {"optimizer": groups, "start": fine_tune},
    "fine-tuning, EMA": {"optimizer": groups, "start": fine_tune, "hook": EMA},
    "fine-tuning, best": {"optimizer": groups, "start": fine_tune, "hook": Best},
}


def hits(output, target):
    return (output.argmax(1) == target).float().mean()


class Fit:
    """A fit of freshly built objects."""

    def __init__(
        self, model=cnn, optimizer=sgd, loader=shared, loss=nn.CrossEntropyLoss,
        options=None, hook=None, start=fit_one_cycle, fit=None, seed=1, path=None,
        valid=lambda: pictures(9),
    ):  # fmt: skip
        seeded(seed)
        net, loss_fn = model(), loss()
        optim = optimizer(net)
        if isinstance(loss_fn, Centres):
            optim.add_param_group({"params": loss_fn.parameters()})
        options = options() if callable(options) else options or {}
        data = loader()
        self.task = Task(
            net, data, loss_fn, optim, valid_loader=valid(), metrics=[hits],
            device="cpu", **options,
        )  # fmt: skip
        self.hook = hook and hook(self.task)
        top = {"base_lr": 0.05} if start is fine_tune else {"max_lr": 0.05}
        epochs = {"epochs": 2} if start is fine_tune else {"epochs": 3}
        kept = {} if path is None else {"checkpoint": path}
        self.start = lambda **more: start(
            self.task,
            **{**top, **epochs, **kept, "on_step": self.hook, **(fit or {}), **more},
        )  # fmt: skip

    def result(self, points):
        """All that the fit came to, and what is drawn after it."""
        task = self.task
        made = {
            "points": points,
            "weights": task.model.state_dict(),
            "seen": dict(task.model.named_buffers()),
            "loss": getattr(task.loss_fn, "state_dict", dict)(),
            "optimizer": task.optimizer.state_dict(),
            "scaler": task.scaler and task.scaler.state_dict(),
            "trains": [p.requires_grad for p in task.model.parameters()],
            "hook": hasattr(self.hook, "state_dict") and self.hook.state_dict(),
            "python": random.getstate(),
            "numpy": np.random.get_state(),
            "torch": torch.get_rng_state(),
        }
        next_batches = [next(iter(task.loader)), next(iter(task.valid_loader))]
        return copy.deepcopy({**made, "next": next_batches})


def same(one, other):
    """Equal, tensors bit for bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other) and one.dtype == other.dtype
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, dict):
        names = [name for name in one if name != "seconds"]  # never are
        return list(one) == list(other) and all(same(one[k], other[k]) for k in names)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other and type(one) is type(other)


def assert_same(one, other):
    assert [name for name in one if not same(one[name], other[name])] == []


def disturb(fit):
    """Whatever may be otherwise in the objects that a fit is resumed with."""
    seeded(12345)
    for owner in (fit.task.loader, fit.task.valid_loader, fit.task.model):
        for value in vars(owner).values() if hasattr(owner, "__dict__") else ():
            if isinstance(value, torch.Generator):
                value.manual_seed(99)


def of(case, **more):
    return Fit(**(CASES[case] if isinstance(case, str) else case), **more)


def whole(case):
    fit = of(case)
    return fit.result(list(fit.start()))


def stopped(case, path, steps, **more):
    points = of(case, path=path).start(**more)
    for _ in range(steps):
        next(points)
    points.close()


def resumed(case, path):
    fit = of(case, seed=2, path=path)
    disturb(fit)
    return fit.result(list(fit.start()))


@pytest.mark.parametrize("case", CASES)
def test_a_fit_that_is_resumed_equals_one_that_was_not_interrupted(case, tmp_path):
    expected = whole(case)
    total = len(expected["points"])
    for steps in {1, 2, total // 3 - 1, total // 3, total // 3 + 1, total - 2, total}:
        path = tmp_path / f"{steps}.ckpt"
        stopped(case, path, steps)
        assert_same(expected, resumed(case, path))


@pytest.mark.parametrize("case", ["SGD", "accumulate", "EMA", "fine-tuning"])
def test_it_may_be_interrupted_again_and_again(case, tmp_path):
    path = tmp_path / "fit.ckpt"
    for steps in (1, 3, 5, 6, 8):
        stopped(case, path, steps)
    assert_same(whole(case), resumed(case, path))


def test_a_fit_with_a_checkpoint_equals_one_without(tmp_path):
    expected = whole("EMA")
    fit = Fit(**CASES["EMA"], path=tmp_path / "fit.ckpt")
    assert_same(expected, fit.result(list(fit.start(checkpoint_every=1))))


@pytest.mark.parametrize("steps_per_epoch", [None, 3])
def test_a_fit_with_worker_processes_is_resumed(steps_per_epoch, tmp_path):
    def loader():
        return DataLoader(Pictures(), batch_size=6, shuffle=True, num_workers=2)

    case = {"loader": loader, "fit": {"steps_per_epoch": steps_per_epoch}}
    stopped(case, tmp_path / "fit.ckpt", 6)
    assert_same(whole(case), resumed(case, tmp_path / "fit.ckpt"))


def test_workers_that_outlive_a_pass_do_so_in_a_fit_that_is_resumed(tmp_path):
    def loader():
        options = {"num_workers": 1, "persistent_workers": True}
        data = Pictures(augment=False)
        return DataLoader(data, batch_size=6, shuffle=True, **options)

    case, path = {"loader": loader, "valid": loader}, tmp_path / "fit.ckpt"
    expected = whole(case)
    for steps in (2, 4, 6):
        path = tmp_path / f"{steps}.ckpt"
        stopped(case, path, steps)
        assert_same(expected, resumed(case, path))
    task = of(case, path=path)  # in which there are some already
    list(zip(task.task.loader, task.task.valid_loader, strict=True))
    path = tmp_path / "again.ckpt"
    stopped(case, path, 2)
    disturb(task)
    points = list(task.start(checkpoint=path))
    assert_same(expected, task.result(points))


# Killed -------------------------------------------------------------------------------

KILLED = """
import os, pickle, signal, sys
from test_checkpoint import CASES, Fit, disturb
case, path, at, out = sys.argv[1:]
fit = Fit(**CASES[case], path=path)
disturb(fit) if out else None
points = []
for point in fit.start(checkpoint_every=2):
    points.append(point)
    if point.step == int(at):
        os.kill(os.getpid(), signal.SIGKILL)
with open(out, "wb") as file:
    pickle.dump(fit.result(points), file)
"""


def process(case, path, at, out=""):
    """A fit in a process of its own, which kills itself after a step, or ends."""
    arguments = [sys.executable, "-c", KILLED, case, path, str(at), out]
    places = [Path(__file__).parent, Path(__file__).parents[1]]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places))}
    return subprocess.run(arguments, env=env, check=False).returncode


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal there")
@pytest.mark.parametrize("case", ["fine-tuning, EMA"])
def test_a_fit_that_was_killed_goes_on_in_another_process(case, tmp_path):
    path, out = str(tmp_path / "fit.ckpt"), str(tmp_path / "result")
    assert process(case, path, 6) == -signal.SIGKILL
    assert process(case, path, -1, out) == 0
    assert_same(whole(case), pickle.loads(Path(out).read_bytes()))


# Validation ---------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["SGD", "EMA", "best", "passes run on"])
def test_a_validation_that_was_stopped_is_made_again(case, tmp_path):
    path = tmp_path / "fit.ckpt"
    asked = iter([False])
    steps = 3 if case == "passes run on" else 4
    stopped(case, path, steps, stopping=lambda: next(asked, True))
    assert_same(whole(case), resumed(case, path))


def test_a_fit_that_fails_in_its_validation_loses_no_step(tmp_path):
    path = tmp_path / "fit.ckpt"
    fit = Fit(path=path)
    fit.task.valid_loader.dataset.fuse = Fuse("loader", at=10)
    with pytest.raises(Blown):
        list(fit.start())  # in the validation of the second epoch
    points = Fit(path=path).start()
    fit.task.valid_loader.dataset.fuse = Fuse()
    assert [next(points).step for _ in range(8)] == [*range(8)]
    assert_same(whole("SGD"), resumed("SGD", path))


# What goes on, and what does not ------------------------------------------------------


def test_the_points_made_before_are_given_again_without_training(tmp_path):
    path = tmp_path / "fit.ckpt"
    seen = []
    first = Fit(path=path).start(on_step=seen.append)
    made = [next(first) for _ in range(6)]
    first.close()
    assert seen == made
    fit, seen = Fit(path=path), []
    fit.task.optimizer.register_step_pre_hook(lambda *_: seen.append("step"))
    points = fit.start(on_step=seen.append)
    assert [next(points) for _ in range(6)] == made
    assert seen == []
    assert seen == ["step", next(points)]


def test_a_complete_fit_is_put_in_place_and_makes_no_step(tmp_path):
    path = tmp_path / "fit.ckpt"
    stopped("best", path, 12)
    before = path.read_bytes()
    fit = Fit(**CASES["best"], seed=2, path=path)
    fit.task.optimizer.register_step_pre_hook(lambda *_: pytest.fail("a step"))
    assert_same(whole("best"), fit.result(list(fit.start())))
    assert path.read_bytes() == before


def test_nothing_happens_before_the_first_point_is_asked_for(tmp_path):
    path = tmp_path / "fit.ckpt"
    stopped("AdamW", path, 5)
    content, fit = path.read_bytes(), Fit(**CASES["AdamW"], path=path)
    before = fingerprint(fit.task)
    fit.start().close()
    assert changes(before, fingerprint(fit.task)) == []
    assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["fit.ckpt"]


def test_a_fit_of_no_step_leaves_no_file(tmp_path):
    points = Fit(path=tmp_path / "fit.ckpt").start()
    points.close()
    assert os.listdir(tmp_path) == []


def test_objects_and_options_stay_those_of_the_fit_that_goes_on(tmp_path):
    path = tmp_path / "fit.ckpt"
    stopped("two param groups", path, 6)
    fit = Fit(**CASES["two param groups"], path=path)
    optimizer = fit.task.optimizer
    for group in optimizer.param_groups:
        group.update(lr=0.7, weight_decay=0.5, betas=(0.1, 0.2))
    held = [*fit.task.model.parameters(), *fit.task.model.buffers()]
    groups, options = optimizer.param_groups, copy.deepcopy(optimizer.param_groups)
    points = fit.start()
    for _ in range(7):
        next(points)
    assert optimizer.param_groups is groups
    assert groups[0]["weight_decay"] == 0.5
    points.close()
    now = [*fit.task.model.parameters(), *fit.task.model.buffers()]
    assert all(a is b for a, b in zip(held, now, strict=True))
    for group, before in zip(groups, options, strict=True):
        assert {k: v for k, v in group.items() if k != "params"} == {
            k: v for k, v in before.items() if k != "params"
        }


def test_a_layer_without_a_shape_yet_gets_the_one_in_the_file(tmp_path):
    def lazy():
        return Net(nn.Flatten(), nn.LazyLinear(6), nn.Dropout(0.2), nn.LazyLinear(3))

    case, path = {"model": lazy}, tmp_path / "fit.ckpt"
    stopped(case, path, 5)
    assert_same(whole(case), resumed(case, path))


def test_a_buffer_whose_elements_share_memory_is_filled(tmp_path):
    def shared_buffer():
        net = cnn()
        net.register_buffer("scale", torch.ones(1).expand(3))
        net.register_buffer("cut", torch.arange(1e5)[3:5])
        net.register_forward_hook(lambda net, _, out: out * net.scale)
        return net

    case, path = {"model": shared_buffer}, tmp_path / "fit.ckpt"
    stopped(case, path, 6)
    assert path.stat().st_size < 60_000
    assert_same(whole(case), resumed(case, path))


def test_what_a_hook_has_frozen_is_frozen_again(tmp_path):
    def freezes(task):
        def hook(point):
            task.model.body[0].requires_grad_(point.step < 4)

        return hook

    case, path = {"hook": freezes}, tmp_path / "fit.ckpt"
    stopped(case, path, 6)
    assert_same(whole(case), resumed(case, path))


# When it is written -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("every", "steps"),
    [(None, [3, 7, 11]), (2, [1, 3, 5, 7, 9, 11]), (3, [2, 3, 6, 7, 10, 11])],
)
def test_it_is_written_at_each_epochs_end_and_every_so_many_steps(
    every, steps, tmp_path
):
    path, seen, last = tmp_path / "fit.ckpt", [], None
    for point in Fit(path=path).start(checkpoint_every=every):
        stat = path.stat() if path.exists() else None
        now = stat and (stat.st_ino, stat.st_mtime_ns)
        if now != last:
            seen.append(point.step)
        last = now
    assert seen == steps
    assert os.listdir(tmp_path) == ["fit.ckpt"]


def test_it_holds_no_code_and_is_read_without_any(tmp_path):
    path = tmp_path / "fit.ckpt"
    stopped("EMA", path, 6)
    assert set(torch.load(path, weights_only=True)) >= {"format", "version", "losses"}


class Evil:
    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_code_in_a_file_is_not_run(tmp_path):
    path, evil = tmp_path / "fit.ckpt", Evil()
    evil.path = tmp_path / "broken in"
    torch.save({"format": "lr_widget checkpoint", "version": 1, "fit": evil}, path)
    with pytest.raises(ValueError, match="cannot be gone on from"):
        Fit(path=path).start()
    assert not evil.path.exists()


FULL = """
import resource, sys
from test_checkpoint import Fit
fit = Fit(path=sys.argv[1])
options = [dict(group, params=None) for group in fit.task.optimizer.param_groups]
points = fit.start()
for _ in range(5):
    next(points)
resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))
try:
    points.close()
except OSError as error:
    print(error.strerror)
now = [dict(group, params=None) for group in fit.task.optimizer.param_groups]
assert now == options
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such limits there")
def test_a_full_disk_is_that_error_and_the_file_of_before_is_whole(tmp_path):
    path = tmp_path / "fit.ckpt"
    places = [Path(__file__).parent, Path(__file__).parents[1]]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places))}
    command = [sys.executable, "-c", FULL, str(path)]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert ended.stdout == "File too large\n"
    assert os.listdir(tmp_path) == ["fit.ckpt"]
    assert_same(whole("SGD"), resumed("SGD", path))


def test_a_link_stays_a_link(tmp_path):
    path, link = tmp_path / "fit.ckpt", tmp_path / "link"
    link.symlink_to(path)
    stopped("SGD", link, 5)
    assert link.is_symlink()
    assert_same(whole("SGD"), resumed("SGD", path))


# What is refused ----------------------------------------------------------------------


def bigger():
    net = cnn()
    net.body[5] = nn.Linear(18, CLASSES + 1)
    return net


OTHERS = {
    "epochs": ({}, {"epochs": 5}, "epochs is 3 there, 5 here"),
    "steps per epoch": ({}, {"steps_per_epoch": 2}, "steps_per_epoch is 4 there, 2 h"),
    "data": ({"loader": lambda: pictures(40)}, {}, "steps_per_epoch is 4 there, 7"),
    "peak": ({}, {"max_lr": 0.1}, r"LR at step 0 is 0\.002 there, 0\.004 here"),
    "form": ({}, {"pct_start": 0.5}, "LR at step 1 is .* there, .* here"),
    "momentum": ({}, {"cycle_momentum": False}, "momentum is cycled there, not cycle"),
    "accumulate": (
        {"options": {"accumulate": 4}},
        {"steps_per_epoch": 4, "epochs": 3},
        "batches of a pass is 4 there, None here",
    ),
    "clipping": ({"options": {"clip_norm": 1.0}}, {}, "clip_norm is None there, 1.0 h"),
    "autocast": (
        {"options": {"autocast": torch.bfloat16}},
        {},
        r"autocast is None there, torch\.bfloat16 here",
    ),
    "scaler": ({"options": half}, {}, "autocast is None .*and 1 more"),
    "optimizer": ({"optimizer": adamw}, {}, "optimizer is SGD there, AdamW here"),
    "groups": (
        {"optimizer": lambda net: groups(net, SGD)},
        {},
        r"params of the groups is \[6\] there, \[4, 2\] here",
    ),
    "shapes": (
        {"model": bigger},
        {},
        r"model\.body\.5\.weight is \(3, 18\) float32 there, \(4, 18\) float32 here",
    ),
    "names": (
        {"model": lambda: Net(nn.Flatten(), nn.Linear(SIDE**2, CLASSES))},
        {},
        r"model has model\.body\.0\.weight there, and not here",
    ),
    "hook": ({"hook": EMA}, {}, "a state of on_step is False there, True here"),
    "generator": (
        {"loader": pictures},
        {},
        r"generators has loader\.0\.generator here, and not there",
    ),
}


@pytest.mark.parametrize("case", OTHERS)
def test_a_file_of_another_fit_is_refused_at_once_in_words(case, tmp_path):
    made_of, arguments, words = OTHERS[case]
    path = tmp_path / "fit.ckpt"
    stopped("SGD", path, 6)
    content, fit = path.read_bytes(), Fit(**made_of, path=path)
    before = fingerprint(fit.task)
    words = rf"checkpoint .*fit\.ckpt is of another fit: {words}.*or another path"
    with pytest.raises(ValueError, match=words):
        fit.start(**arguments)
    assert changes(before, fingerprint(fit.task)) == []
    assert path.read_bytes() == content


def truncated(path):
    path.write_bytes(path.read_bytes()[:-100])


def flipped(path):
    with zipfile.ZipFile(path) as archive:
        info = max(archive.infolist(), key=lambda info: info.file_size)
    content = bytearray(path.read_bytes())
    content[info.header_offset + 200 + info.file_size // 2] ^= 1
    path.write_bytes(content)


def without(name):
    def spoil(path):
        record = torch.load(path, weights_only=True)
        del record[name]
        torch.save(record, path)

    return spoil


DAMAGES = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("a file of something else"),
    "truncated": truncated,
    "a flipped bit": flipped,
    "another torch file": lambda path: torch.save({"weight": torch.ones(3)}, path),
    "a model": lambda path: torch.save(cnn(), path),
    "pickled": lambda path: path.write_bytes(pickle.dumps({"a": 1})),
    "no fit": without("fit"),
    "no losses": without("losses"),
    "no state": without("state"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_or_foreign_file_is_refused_at_once(damage, tmp_path):
    path = tmp_path / "fit.ckpt"
    stopped("SGD", path, 6)
    DAMAGES[damage](path)
    content, fit = path.read_bytes(), Fit(path=path)
    before = fingerprint(fit.task)
    words = r"checkpoint .*fit\.ckpt .* cannot be gone on from .*: pass another path"
    with pytest.raises(ValueError, match=words):
        fit.start()
    assert changes(before, fingerprint(fit.task)) == []
    assert path.read_bytes() == content


def test_a_file_of_a_newer_version_says_so(tmp_path):
    path = tmp_path / "fit.ckpt"
    torch.save({"format": "lr_widget checkpoint", "version": 2}, path)
    with pytest.raises(
        ValueError, match=r"has version 2 of the format.*reads 1: go on"
    ):
        Fit(path=path).start()


def unwritable(folder):
    folder.chmod(0o500)
    if os.access(folder, os.W_OK):
        pytest.skip("who may do everything can write there")
    return folder / "fit.ckpt"


PLACES = {
    "no folder": (lambda tmp: tmp / "none" / "fit.ckpt", "cannot be written there"),
    "in a file": (lambda tmp: Path(__file__) / "fit.ckpt", "cannot be written there"),
    "a folder": (lambda tmp: tmp, "is a folder: pass the path of a file"),
    "not allowed": (unwritable, "cannot be written there"),
    "no path": (lambda tmp: 3, "checkpoint must be the path of a file, not 3"),
    "bytes": (lambda tmp: b"fit.ckpt", "checkpoint must be the path of a file, not b"),
}


@pytest.mark.parametrize("case", PLACES)
def test_a_path_that_cannot_be_written_to_is_refused_before_any_step(case, tmp_path):
    make, words = PLACES[case]
    fit = Fit(path=make(tmp_path))
    before = fingerprint(fit.task)
    with pytest.raises(ValueError, match=words):
        fit.start()
    assert changes(before, fingerprint(fit.task)) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"checkpoint_every": 0}, "checkpoint_every must be .*at least 1, not 0"),
        ({"checkpoint_every": 1.5}, r"checkpoint_every must be .* not 1\.5"),
        ({"checkpoint_every": 5, "checkpoint": None}, "checkpoint_every needs a check"),
    ],
)
def test_a_checkpoint_every_that_cannot_be_is_refused(arguments, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        Fit(path=tmp_path / "fit.ckpt").start(**arguments)
    assert os.listdir(tmp_path) == []


def test_a_loader_that_cannot_start_anew_is_refused_at_once(tmp_path):
    fit = Fit(loader=lambda: iter(batches()), path=tmp_path / "fit.ckpt")
    words = "checkpoint needs a loader that starts anew, and loader is an iterator: pas"
    with pytest.raises(ValueError, match=words):
        fit.start(steps_per_epoch=2, epochs=1)


def test_a_loader_that_has_become_shorter_is_an_error(tmp_path):
    path = tmp_path / "fit.ckpt"
    points = Fit(loader=lambda: batches(4), path=path).start(steps_per_epoch=6)
    for _ in range(4):
        next(points)
    points.close()
    points = Fit(loader=lambda: batches(2), path=path).start(steps_per_epoch=6)
    with pytest.raises(ValueError, match="loader gave fewer than the 4 batches that"):
        list(points)


class Strange:
    def __call__(self, point):
        raise AssertionError("called")

    def state_dict(self):
        return {"kept": [object()]}

    def load_state_dict(self, state):
        raise AssertionError("called")


def test_a_hook_whose_state_is_no_plain_data_is_refused_at_once(tmp_path):
    fit = Fit(path=tmp_path / "fit.ckpt", hook=lambda task: Strange())
    with pytest.raises(ValueError, match=r"on_step\['kept'\]\[0\] is a object, which"):
        fit.start()
    assert os.listdir(tmp_path) == []


def test_a_file_is_taken_up_whatever_the_default_device(tmp_path):
    def task():
        seeded()
        model = nn.Linear(4, 1)
        data = [(torch.ones(2, 4), torch.ones(2, 1))] * 3
        return Task(model, data, nn.MSELoss(), SGD(model.parameters(), lr=0.1))

    one, other, path = task(), task(), tmp_path / "fit.ckpt"
    begun = fit_one_cycle(one, max_lr=0.1, epochs=3, checkpoint=path)
    for _ in range(5):
        next(begun)
    begun.close()
    torch.set_default_device("meta")  # stands for a GPU
    try:
        points = list(fit_one_cycle(other, max_lr=0.1, epochs=3, checkpoint=path))
    finally:
        torch.set_default_device(None)
    assert [point.step for point in points] == [*range(9)]
