"""Picture: a well-formed SVG that shows every number where it is, and is small."""

import re
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lr_widget.axis import lr_text
from lr_widget.picture import Band, Mark, Stroke, svg
from lr_widget.placement import Box, beside, place, text_width
from lr_widget.plane import Plane

NS = "{http://www.w3.org/2000/svg}"
LRS = np.geomspace(1e-7, 10, 100)
LOSSES = 2.3 - 1.5 / (1 + np.exp(-3 * (np.log10(LRS) + 3)))
CURVE = Stroke(LRS, LOSSES, "#0072B2", 2.5, name="now")
GHOST = Stroke(LRS, LOSSES + 0.2, "#888888", 1.5, 0.6, name="wd=1e-4")
MARKS = [
    Mark("minimum", 4e-2, 0.8, "#009E73"),
    Mark("steepest", 1e-3, 1.55, "#CC79A7"),
    Mark("valley", 1.66e-3, 1.5, "#E69F00"),
    Mark("slide", 3e-2, 0.81, "#888888"),
]


def drawn(*strokes, x_range=(1e-7, 10.0), y_range=(0.5, 2.5), **more):
    """The picture, parsed; and its root is what the widget's pages look for."""
    source = svg(strokes, x_range=x_range, y_range=y_range, **more)
    assert re.match(r'<svg [^>]*class="lr-widget-picture"', source)
    return ElementTree.fromstring(source)


def texts(root):
    return [element.text for element in root.iter(f"{NS}text")]


def plane(root, y_log=False):
    """The plane of a picture, from its clip path."""
    rect = root.find(f"{NS}clipPath/{NS}rect")
    x, y, w, h = (float(rect.get(name)) for name in ("x", "y", "width", "height"))
    return Plane.spanning(Box(x, y, x + w, y + h), (1e-7, 10.0), (0.5, 2.5), y_log)


def line_data(root):
    group = next(g for g in root.iter(f"{NS}g") if g.get("clip-path"))
    return [path.get("d") for path in group]


@pytest.mark.parametrize("y_log", [False, True])
def test_the_stroke_goes_through_its_points(y_log):
    root = drawn(CURVE, y_log=y_log)
    numbers = np.array(re.findall(r"[\d.]+", line_data(root)[0]), float).reshape(-1, 2)
    where = plane(root, y_log)
    np.testing.assert_allclose(numbers[:, 0], where.x(LRS), atol=0.051)
    np.testing.assert_allclose(numbers[:, 1], where.y(LOSSES), atol=0.051)


def test_marks_stand_at_exactly_their_lr_and_say_it():
    root = drawn(CURVE, marks=MARKS)
    dots = list(root.iter(f"{NS}circle"))
    where = plane(root)
    for mark, dot in zip(MARKS, dots, strict=True):
        assert float(dot.get("cx")) == pytest.approx(where.x(mark.lr), abs=0.051)
        assert float(dot.get("cy")) == pytest.approx(where.y(mark.y), abs=0.051)
        assert f"{mark.name} {lr_text(mark.lr)}" in texts(root)


@pytest.mark.parametrize("lr", [1e-7, 2e-7, 2.54e-3, 9.0, 10.0])
def test_the_label_of_the_pick_is_within_the_plot_wherever_it_stands(lr):
    root = drawn(CURVE, lr=lr)
    assert f"lr {lr_text(lr)}" in texts(root)
    pill = next(r for r in root.iter(f"{NS}rect") if r.get("rx"))
    left, box = float(pill.get("x")), plane(root).box
    assert box.left <= left
    assert left + float(pill.get("width")) <= box.right
    assert f'd="M{float(plane(root).x(lr)):.1f} ' in ElementTree.tostring(root).decode()


def test_a_pick_outside_the_axis_is_not_drawn():
    assert "lr 100" not in texts(drawn(CURVE, lr=100.0))


@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(5, 20)),
        min_size=1,
        max_size=5,
    )
)
def test_labels_do_not_cover_one_another_and_stay_within(dots):
    plot, taken = Box(66, 16, 698, 350), []
    for x, y, length in dots:
        wide = text_width("m" * length, 12)
        at = plot.left + x * 632, plot.top + y * 334
        taken.append(place(*at, wide, plot, taken, np.empty((0, 2))))
    assert all(a.overlap(b) == 0 for a, b in combinations(taken, 2))
    assert all(box.outside(plot) < 1e-6 for box in taken)


def test_a_label_keeps_off_the_curve_where_there_is_room():
    line = np.stack([np.arange(0.0, 600, 4), np.full(150, 100.0)], axis=1)
    label = place(300, 100, 80, Box(0, 0, 600, 200), [], line)
    assert label.bottom < 99 or label.top > 101


@given(st.floats(0, 100), st.floats(1, 90))
def test_a_text_beside_a_line_never_lies_on_it(x, wide):
    left = beside(x, wide, Box(0, 0, 100, 50))
    assert left > x or left + wide < x


def test_a_legend_names_strokes_and_bands_if_there_is_more_than_one():
    band = Band(LRS, LOSSES - 0.1, LOSSES + 0.1, "#0072B2", "5 seeds")
    assert {"now", "wd=1e-4", "5 seeds"} <= set(
        texts(drawn(GHOST, CURVE, bands=[band]))
    )
    assert "now" not in texts(drawn(CURVE))


def test_a_long_legend_goes_on_in_another_row_and_long_names_are_cut():
    ghosts = [
        Stroke(LRS, LOSSES, "#888888", name=f"variation number {i} " * (i + 1))
        for i in range(8)
    ]
    root = drawn(*ghosts, width=360)
    named = [e for e in root.iter(f"{NS}text") if "variation" in e.text]
    assert len(named) == 8
    assert len({e.get("y") for e in named}) > 1
    assert all(len(e.text) <= 32 for e in named)


def test_a_value_that_is_not_finite_makes_a_gap():
    losses = np.array([2.0, 1.9, np.nan, 1.7, np.inf, 1.5, 1.4])
    (data,) = line_data(drawn(Stroke(LRS[:7], losses, "#000000")))
    assert data.count("M") == 3
    assert data.count("h0") == 1


def test_a_loss_that_is_not_positive_makes_a_gap_on_a_log_axis():
    losses = np.array([2.0, 0.0, 1.0, -1.0, 0.5])
    (data,) = line_data(drawn(Stroke(LRS[:5], losses, "#000000"), y_log=True))
    assert data.count("M") == 3


EMPTY = {
    "nothing": {},
    "no range": {"y_range": None, "x_range": (np.nan, 1.0)},
    "a range of nothing": {"y_range": (1.0, 1.0), "x_range": (0.0, 0.0)},
    "the widest range": {"y_range": (-1.7e308, 1.7e308)},
    "the smallest range": {"y_range": (0.0, 5e-324)},
    "a log axis from zero": {"y_range": (-1.0, 2.0), "y_log": True},
    "a log axis below zero": {"y_range": (-2.0, -1.0), "y_log": True},
}


@pytest.mark.parametrize("ranges", EMPTY)
def test_nothing_to_show_is_a_plot_with_axes(ranges):
    said = texts(drawn(**EMPTY[ranges]))
    assert {"learning rate", "loss"} < set(said)
    assert len(said) >= 6


FLOATS = st.floats(allow_nan=True, allow_infinity=True)


@given(
    st.lists(st.tuples(FLOATS, FLOATS), max_size=20),
    st.tuples(FLOATS, FLOATS),
    st.booleans(),
    st.text(),
    FLOATS,
)
def test_whatever_is_given_the_xml_is_well_formed(rows, y_range, y_log, words, lr):
    x, y = np.array(rows, dtype=float).reshape(-1, 2).T
    strokes = [Stroke(x, y, "#000000", name=words), CURVE]
    marks = [Mark(words, lr, lr, "#000000")]
    bands = [Band(x, y, y, "#000000", words + "b")]
    root = drawn(
        *strokes,
        y_range=y_range,
        y_log=y_log,
        lr=lr,
        marks=marks,
        bands=bands,
        words=words,
        y_label=words,
    )
    assert "nan" not in ElementTree.tostring(root).decode().split("<desc")[0]


def test_words_and_names_are_text_and_never_markup():
    bad = "</desc><script>alert(1)</script>&\"'\x00\ud800"
    source = svg(
        [Stroke(LRS, LOSSES, '"/><script>', name=bad), GHOST],
        x_range=(1e-7, 10.0),
        y_range=(0.5, 2.5),
        words=bad,
        y_label=bad,
        marks=[Mark(bad, 1e-3, 1.5, bad)],
    )
    root = ElementTree.fromstring(source)
    assert "<script" not in source
    assert root.find(f"{NS}desc").text == bad[:-2] + "\ufffd\ufffd"
    assert source.encode()


def test_the_picture_needs_nothing_from_outside():
    source = svg(
        [GHOST, CURVE], x_range=(1e-7, 10.0), y_range=(0.5, 2.5), lr=1e-3, marks=MARKS
    )
    assert re.findall(r"url\(([^)]*)\)", source) == re.findall(
        r"#lr-widget-clip-\w{8}", source
    )
    assert source.count("http") == 1  # the name of the namespace
    assert not re.search(r"var\(|<script|href|<style|currentColor", source)


def test_two_different_pictures_on_a_page_do_not_share_a_clip_path():
    ids = [drawn(each).find(f"{NS}clipPath").get("id") for each in (CURVE, GHOST)]
    assert ids[0] != ids[1]
    assert drawn(CURVE).find(f"{NS}clipPath").get("id") == ids[0]


def test_a_stroke_of_2000_points_takes_less_than_40_kB():
    rng = np.random.default_rng(0)
    lrs = np.geomspace(1e-7, 10, 2000)
    losses = 1e6 * rng.standard_normal(2000)
    source = svg(
        [Stroke(lrs, losses, "#000000")], x_range=(1e-7, 10.0), y_range=(0.5, 2.5)
    )
    assert len(source) < 40_000


def test_a_narrow_picture_writes_fewer_learning_rates():
    wide, narrow = (
        {e.text for e in root.iter(f"{NS}text") if e.get("text-anchor") == "middle"}
        - {"learning rate", "loss"}
        for root in (drawn(width=720), drawn(width=320))
    )
    assert len(wide) == 9
    assert 2 <= len(narrow) < len(wide)
    assert "10" in narrow


def test_a_tick_is_written_in_full_and_a_large_one_as_in_the_read_out():
    assert "2.3004" in texts(drawn(y_range=(2.3, 2.301)))
    assert "4e5" in texts(drawn(y_range=(0.0, 1e6)))


def test_a_range_of_less_than_a_decade_has_ticks_too():
    root = drawn(x_range=(2e-3, 8e-3))
    assert {"2e-3", "5e-3"} < set(texts(root))


def test_the_words_are_the_description():
    root = drawn(CURVE, words="The loss falls.", y_label="accuracy")
    assert root.get("role") == "img"
    assert root.find(f"{NS}title").text == "accuracy against learning rate"
    assert root.find(f"{NS}desc").text == "The loss falls."
