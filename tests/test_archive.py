"""The file of a curve gives back what was saved, and is never half written."""

import json
import math
import os
import pickle
import stat
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lr_widget import Curve, Epoch, Point, archive
from lr_widget.curve import RESERVED

FORMAT = "lr_widget curve"

NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
METRICS = st.dictionaries(NAMES.filter(lambda n: n not in RESERVED), NUMBERS)


@st.composite
def curves(draw):
    points = draw(st.lists(st.tuples(NUMBERS, NUMBERS, METRICS), max_size=12))
    ends = draw(st.sets(st.integers(0, 11)))
    return Curve(
        [
            Point(i, lr, loss, draw(epochs(i)) if i in ends else None, metrics)
            for i, (lr, loss, metrics) in enumerate(points)
        ],
        num_iter=draw(st.none() | st.integers(2, 10**6)),
    )


@st.composite
def epochs(draw, step):
    valid = draw(st.none() | NUMBERS)
    return Epoch(draw(st.integers(1, 99)), step, draw(NUMBERS), valid, draw(METRICS))


def exact(value):
    """Equal for the same bits only: NaN equals NaN, and 0.0 is not -0.0."""
    return repr(value)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("archive") / "curve.json"


@given(curves())
def test_a_loaded_curve_is_the_one_that_was_saved(path, curve):
    curve.save(path)
    loaded = Curve.load(path)
    assert exact(list(loaded)) == exact(list(curve))
    assert exact(loaded.epochs) == exact(curve.epochs)
    assert loaded.measures == curve.measures
    assert loaded.num_iter == curve.num_iter


def test_a_loaded_curve_goes_on_growing(path):
    Curve([Point(0, 0.1, 2.0, metrics={"accuracy": 0.5})]).save(path)
    curve = Curve.load(path)
    curve.append(Point(1, 0.2, 1.0, metrics={"accuracy": 0.7, "f1": 0.2}))
    assert curve.trace("accuracy").values.tolist() == [0.5, 0.7]
    assert curve.steps("f1").tolist() == [1]


def test_the_file_is_strict_json_that_says_what_it_is(path):
    Curve([Point(0, 0.1, math.nan), Point(1, 0.2, math.inf)]).save(path)

    def refuse(word):
        raise AssertionError(word)

    record = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert (record["format"], record["version"]) == (FORMAT, archive.VERSION)


def test_numbers_of_numpy_are_saved(path):
    end = Epoch(
        np.int64(1), np.int64(0), np.float32(0.5), metrics={"f1": np.float32(1)}
    )
    curve = Curve(
        [Point(0, np.float32(0.5), np.float64(2), end, {"f1": np.float32(0.25)})],
        num_iter=np.int64(7),
    )
    curve.save(path)
    assert list(Curve.load(path)) == list(curve)
    assert Curve.load(path).num_iter == 7


# Writing ------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["write", "fsync", "replace"])
@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_interrupted_write_leaves_the_older_file_and_nothing_else(
    tmp_path, monkeypatch, place, error
):
    path = tmp_path / "curve.json"
    Curve([Point(0, 0.1, 2.0)]).save(path)
    before = path.read_bytes()

    def fail(*_):
        raise error

    if place == "write":
        monkeypatch.setattr("builtins.open", failing_open(fail))
    else:
        monkeypatch.setattr(os, place, fail)
    with pytest.raises(error):
        Curve([Point(0, 0.1, 3.0)]).save(path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def failing_open(fail):
    """Files whose text gets half way to the disk."""
    real = open

    def opened(*args, **kwargs):
        file = real(*args, **kwargs)
        write = file.write

        class Half:
            __enter__ = lambda self: self  # noqa: E731
            __exit__ = lambda self, *_: file.close()  # noqa: E731

            def write(self, text):
                write(text[: len(text) // 2])
                fail()

        return Half()

    return opened


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX's")
def test_a_file_keeps_its_mode_and_a_link_its_target(tmp_path):
    target, link = tmp_path / "curve.json", tmp_path / "link"
    Curve().save(target)
    target.chmod(0o640)
    link.symlink_to(target)
    Curve([Point(0, 0.1, 2.0)]).save(link)
    assert link.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert len(Curve.load(target)) == 1


# Reading ------------------------------------------------------------------------------


def changed(**changes):
    """The text of a good file, some of whose entries are other ones."""
    series = {"step": [0, 1], "lr": [0.1, 0.2], "value": [2.0, "NaN"]}
    record = {"format": FORMAT, "version": 1, "num_iter": 5, "epochs": []}
    record |= {"measures": {"loss": series, "f1": series}, **changes}
    return json.dumps(record)


def test_a_good_file_is_read(path):
    path.write_text(changed())
    assert len(Curve.load(path)) == 2


SERIES = {"step": [0, 1], "lr": [0.1, 0.2], "value": [2.0, 1.0]}
FOREIGN = {
    "no text": b"\xff\xfe\x00",
    "a pickle": pickle.dumps({"format": FORMAT, "version": 1}),
    "empty": "",
    "no JSON": "step,lr,loss\n",
    "half a file": changed()[:60],
    "nested": "[" * 100_000,
    "a list": "[1, 2]",
    "another format": changed(format="nbformat"),
    "no version": changed(version=None),
    "version zero": changed(version=0),
    "a word for num_iter": changed(num_iter="many"),
    "no loss": changed(measures={"f1": SERIES}),
    "no measures": changed(measures=[]),
    "measures that are numbers": changed(measures={"loss": 3}),
    "a column missing": changed(measures={"loss": {"step": [], "lr": []}}),
    "columns of two lengths": changed(measures={"loss": SERIES | {"lr": [0.1]}}),
    "a step twice": changed(measures={"loss": SERIES | {"step": [0, 0]}}),
    "steps that leave one out": changed(measures={"loss": SERIES | {"step": [0, 2]}}),
    "a metric too late": changed(
        measures={"loss": SERIES, "f1": SERIES | {"step": [1, 2]}}
    ),
    "a metric with a taken name": changed(measures={"loss": SERIES, "lr": SERIES}),
    "a word for a number": changed(measures={"loss": SERIES | {"lr": [0.1, "1e-2"]}}),
    "true for a number": changed(measures={"loss": SERIES | {"lr": [0.1, True]}}),
    "a huge number": changed(measures={"loss": SERIES | {"lr": [0.1, 10**400]}}),
    "an epoch without a step": changed(epochs=[{"epoch": 1}]),
    "an epoch that is a number": changed(epochs=[1]),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_a_foreign_or_damaged_file_is_refused_by_its_path(path, case):
    content = FOREIGN[case]
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=r"curve\.json is no curve .*Curve\.save"):
        Curve.load(path)


def test_a_newer_file_asks_for_a_newer_package(path):
    path.write_text(changed(version=archive.VERSION + 1))
    with pytest.raises(ValueError, match=r"curve\.json.*newer.*upgrade lr_widget"):
        Curve.load(path)


def test_a_missing_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        Curve.load(tmp_path / "none.json")
