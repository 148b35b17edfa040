"""The sentence about a schedule: its turns, in the order of its steps."""

import numpy as np
import pytest

from lr_widget.schedule import one_cycle_schedule
from lr_widget.synopsis import synopsis

NONE = np.empty(0)
CYCLE = [0.1, 1.0, 0.1]


def test_a_cycle_is_told_as_people_tell_it():
    schedule = one_cycle_schedule(300, max_lr=1e-2, pct_start=0.25)
    assert synopsis(*schedule) == (
        "Solid: lr 4e-4 to 1e-2 at step 75 of 300, then down to 4e-8;"
        " dashed: momentum 0.95 to 0.85 and back."
    )


@pytest.mark.parametrize(
    ("lrs", "said"),
    [
        ([0.1], "lr 0.1 at one step"),
        ([0.1] * 1000, "lr 0.1 at each of 1,000 steps"),
        ([0.1, 0.2, 0.3], "lr 0.1 to 0.3 in 3 steps"),
        ([1.0, 2.0, 2.0, 1.0], "lr 1 to 2 at step 2 of 4, then down to 1"),
        (
            [*CYCLE, 0.5, 0.2],  # two cycles, as those of fine-tuning
            "lr 0.1 to 1 at step 2 of 5, then down to 0.1 at step 3,"
            " then up to 0.5 at step 4, then down to 0.2",
        ),
        (CYCLE * 100, "lr 0.1 to 1 in 300 steps"),
    ],
)
def test_every_turn_is_told_while_there_are_few(lrs, said):
    assert synopsis(np.array(lrs), NONE) == f"Solid: {said}."


@pytest.mark.parametrize(
    ("momentums", "said"),
    [
        ([0.95, 0.85, 0.95], "0.95 to 0.85 and back"),
        ([0.95, 0.85, 0.9], "0.95 to 0.85 to 0.9"),
        ([0.9, 0.9, 0.9], "0.9"),
        ([0.95, 0.85, 0.95] * 50, "0.85 to 0.95"),
    ],
)
def test_momentum_is_told_after_the_lr(momentums, said):
    said = f"lr 1 at each of {len(momentums)} steps; dashed: momentum {said}."
    assert synopsis(np.ones(len(momentums)), np.array(momentums)) == f"Solid: {said}"


def test_of_several_groups_it_is_said_whose_lr_it_is():
    assert "in the leading one of 3 param groups" in synopsis(np.ones(2), NONE, 3)
