"""EpochTable: the epochs as fastai shows them, and no more than a person can read."""

import ipywidgets
import pytest

from lr_widget import Epoch
from lr_widget.epoch_table import MAX_ROWS, EpochTable, format_time

NAN, INF = float("nan"), float("inf")


@pytest.fixture
def table():
    table = EpochTable()
    yield table
    table.close()


@pytest.fixture
def sent(table, monkeypatch):
    """What is sent to the browser, message by message."""
    messages = []

    def note(_widget, message, buffers=None):
        messages.append(message)

    monkeypatch.setattr(ipywidgets.Widget, "_send", note)
    return messages


def epochs(count, **metrics):
    return [Epoch(i, 10 * i - 1, 1 / i, 0.5, metrics) for i in range(1, count + 1)]


def test_an_epoch_is_a_row_with_six_decimals_and_its_time(table):
    table.show([Epoch(1, 9, 0.25, 1 / 3, {"accuracy": 0.9}, seconds=65.4)], 3)
    assert table.columns == ["epoch", "train_loss", "valid_loss", "accuracy", "time"]
    assert table.rows == [["1", "0.250000", "0.333333", "0.900000", "01:05"]]
    assert table.caption == "1 of 3 epochs"
    assert table.note == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.000000"),
        (-1.5, "-1.500000"),
        (NAN, "nan"),
        (INF, "inf"),
        (-INF, "-inf"),
        (2e-6, "0.000002"),
        (2e-7, "2.000e-07"),
        (1e300, "1.000e+300"),
        (None, ""),
    ],
)
def test_every_number_can_be_written_and_says_something(table, value, text):
    table.show([Epoch(1, 9, 1.0, value)])
    assert table.rows[0][2] == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "00:00"),
        (3.9, "00:03"),
        (59.99, "00:59"),
        (60, "01:00"),
        (3600, "1:00:00"),
        (3723.5, "1:02:03"),
        (360_000, "100:00:00"),
        (NAN, ""),
        (INF, ""),
        (-1, ""),
    ],
)
def test_time_is_written_as_fastai_writes_it(seconds, text):
    assert format_time(seconds) == text


def test_a_metric_that_comes_later_has_a_column_and_is_empty_before(table):
    table.show([Epoch(1, 0, 1.0), Epoch(2, 1, 1.0, metrics={"f1": 0.5})])
    assert table.columns[3:] == ["f1", "time"]
    assert [row[3] for row in table.rows] == ["", "0.500000"]


def test_a_long_fit_shows_its_newest_epochs_and_says_where_the_others_are(table):
    table.show(epochs(MAX_ROWS), 1000)
    assert table.note == ""
    table.show(epochs(1000), 1000)
    shown = range(1001 - MAX_ROWS, 1001)
    assert [row[0] for row in table.rows] == [str(epoch) for epoch in shown]
    assert table.note == "800 earlier epochs are in finder.history.epochs_to_frame()"


def test_nothing_is_sent_when_nothing_has_changed(table, sent):
    done = epochs(3, accuracy=NAN)
    table.show(done, 5)
    (message,) = sent
    assert {"columns", "rows", "caption"} <= {*message["state"]}
    table.show(done, 5)
    table.show([*done], 5)
    assert len(sent) == 1
    table.show([*done, *epochs(1)], 5)
    assert len(sent) == 2


def test_another_fit_takes_the_place_of_the_one_before(table):
    table.show(epochs(3, accuracy=0.5), 3)
    table.show([], 2)
    assert table.rows == []
    assert table.caption == "0 of 2 epochs"
    table.show([Epoch(1, 0, 0.125)], 2)
    assert table.rows == [["1", "0.125000", "", "00:00"]]
