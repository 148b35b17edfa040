"""Trials: what is read off short fits, and which one is marked."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lr_widget import Point, Trials
from lr_widget.trials import INIT, MOST, TOLERANCE

LRS = [1e-3, 1e-2, 1e-1]


def fed(ends, *, init=2.0, lrs=LRS, steps=10):
    """Trials whose candidates fall in a line from `init` to these losses."""
    trials = Trials(lrs, steps)
    for index, end in enumerate(ends):
        for step, loss in enumerate(np.linspace(init, end, steps).tolist()):
            metrics = {INIT: init} if step == 0 else {}
            trials.append(index, Point(step, lrs[index], loss, metrics=metrics))
            if not math.isfinite(loss):
                break
    return trials


def blown(trials, index, step=3):
    for i in range(step):
        trials.append(index, Point(i, trials.lrs[index], 2.0, metrics={INIT: 2.0}))
    trials.append(index, Point(step, trials.lrs[index], math.nan))


@given(
    st.lists(st.floats(-10, 10), min_size=1, max_size=MOST),
    st.integers(10, 60),
    st.floats(-5, 5),
)
def test_scores_progress_and_mark_are_those_of_a_plain_reference(ends, steps, init):
    lrs = [10.0 ** (i - 4) for i in range(len(ends))]
    trials = fed(ends, init=init, lrs=lrs, steps=steps)
    last = max(1, round(steps / 5))
    scores = [np.linspace(init, end, steps)[-last:].mean() for end in ends]
    best = min(scores)
    found = [trials.score(i) for i in range(len(ends))]
    assert found == pytest.approx(scores, abs=1e-12)
    if best >= init:
        assert trials.marked is None
        return
    progress = [(init - score) / (init - best) for score in scores]
    if init - best > 1e-6:  # else the division is of rounding errors
        shares = [trials.progress(i) for i in range(len(ends))]
        assert shares == pytest.approx(progress, abs=1e-6)
        far = [abs(score - best - TOLERANCE * (init - best)) > 1e-9 for score in scores]
        if all(far):
            within = [lr for lr, s in zip(lrs, scores, strict=True)
                      if s <= best + TOLERANCE * (init - best)]  # fmt: skip
            assert trials.marked == min(within)


def test_the_smallest_within_a_tenth_is_marked_and_never_plainly_the_lowest():
    assert fed([1.0, 0.1, 0.0]).marked == 1e-2
    assert fed([0.05, 0.1, 0.0]).marked == 1e-3
    assert fed([1.0, 0.5, 0.0]).marked == 1e-1
    assert fed([1.0, 0.0, 0.5]).marked == 1e-2


def test_nothing_is_marked_before_all_have_finished():
    trials = fed([1.0, 0.0])
    assert trials.marked is None
    assert trials.sentence == "Audition: 2 of 3 short fits of 10 steps each finished."
    assert [trials.finished(i) for i in range(3)] == [True, True, False]
    assert trials.score(2) is None
    assert trials.progress(2) is None
    assert [trials.told(i) for i in (0, 2)] == ["ends at 1.06", "waits"]


def test_nothing_is_marked_where_none_got_below_the_loss_before_training():
    trials = fed([2.0, 2.5, 3.0])
    assert trials.marked is None
    assert [trials.progress(i) for i in range(3)] == [None] * 3
    assert trials.sentence == (
        "No LR got below the loss before training, 2. Nothing is marked."
    )


def test_nothing_is_marked_where_the_loss_before_training_is_no_number():
    trials = Trials(LRS[:1], 10)
    trials.append(0, Point(0, 1e-3, math.nan, metrics={INIT: math.nan}))
    assert trials.marked is None
    assert trials.sentence.startswith("The loss before training is no finite number")


def test_one_that_blew_up_is_named_and_does_not_count():
    trials = fed([1.0, 0.0])
    blown(trials, 2)
    assert trials.finished(2)
    assert trials.blew_up(2)
    assert trials.score(2) is None
    assert trials.marked == 1e-2
    assert trials.told(2) == "blew up at step 4 of 10"
    assert " Blew up: lr 0.1. " in trials.sentence


def test_where_all_blew_up_it_says_so():
    trials = Trials(LRS[:2], 10)
    blown(trials, 0)
    blown(trials, 1)
    assert trials.marked is None
    assert "Blew up: lr 1e-3, 1e-2. Nothing is marked." in trials.sentence


def test_the_words_say_what_was_measured_and_no_more():
    words = fed([1.0, 0.1, 0.0], steps=30).sentence
    assert words == (
        "lr 1e-2 is marked. 30-step runs favour LRs about twice too high, so the"
        " smallest LR whose progress is within 10\xa0% of the best is marked. It is a"
        " check, not the truth."
    )
    # By how much was measured up to 100 steps.
    words = fed([1.0, 0.1, 0.0], steps=200).sentence
    assert "Short runs favour LRs that are too high, so" in words
    assert "twice" not in words


def test_what_each_came_to_is_told_beside_the_best():
    trials = fed([2.5, 1.0, 0.0])
    assert [trials.told(i) for i in range(3)] == [
        "ends at 2.47: not below the start",
        "ends at 1.06: 50\xa0% of the best",
        "ends at 0.111: 100\xa0% of the best",
    ]


def test_candidates_come_in_any_order_and_are_kept_rising():
    trials = Trials(lr for lr in [1e-1, 1e-3, 1e-2])
    assert trials.lrs == (1e-3, 1e-2, 1e-1)
    assert (len(trials), trials.steps) == (3, 30)


def test_a_table_has_a_row_for_each():
    trials = fed([1.0, 0.1])
    blown(trials, 2)
    frame = trials.to_frame()
    assert frame["lr"].tolist() == LRS
    assert frame["marked"].tolist() == [False, True, False]
    assert frame["blew_up"].tolist() == [False, False, True]
    assert frame["score"].isna().tolist() == [False, False, True]
    assert repr(trials) == "<Trials of 1e-3, 1e-2, 0.1: 1e-2 marked>"


@pytest.mark.parametrize(
    ("lrs", "message"),
    [
        ([], "list of 1 to 7 learning rates, not 0 of them"),
        (np.geomspace(1e-4, 1, 8), "not 8 of them"),
        (1e-2, "learning rates, not 0.01"),
        ("abc", "learning rates, not 'abc'"),
        ([1e-2, 0.0], "positive numbers, not 0.0"),
        ([1e-2, -1], "positive numbers, not -1"),
        ([math.inf], "positive numbers, not inf"),
        ([math.nan], "positive numbers, not nan"),
        (["1e-2"], "positive numbers, not '1e-2'"),
        ([1e-2, 1e-3, 1e-2], "lrs has 0.01 twice"),
    ],
)
def test_lrs_that_cannot_be_are_refused(lrs, message):
    with pytest.raises(ValueError, match=message):
        Trials(lrs)


@pytest.mark.parametrize("steps", [9, 0, -1, 30.0, "30", None])
def test_steps_that_cannot_be_are_refused(steps):
    with pytest.raises(ValueError, match="steps must be a whole number of at least 10"):
        Trials(LRS, steps)


def test_a_point_of_no_candidate_or_of_one_that_has_ended_is_refused():
    trials = fed([1.0])
    with pytest.raises(ValueError, match="index must be from 0 to 2, not 3"):
        trials.append(3, Point(0, 1.0, 1.0))
    with pytest.raises(ValueError, match="candidate 0 has ended"):
        trials.append(0, Point(10, 1e-3, 1.0))
