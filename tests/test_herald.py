"""Herald: in order, one at a time, under no lock, whatever the listener does."""

import threading

import pytest
from driving import LONG

from lr_widget.herald import Herald


def nothing(error):
    raise AssertionError from error


def test_news_are_told_in_order():
    told = []
    herald = Herald(told.append, failed=nothing)
    for number in range(5):
        herald.add(number)
    assert told == []
    herald.tell_all()
    assert told == [0, 1, 2, 3, 4]


def test_news_added_while_telling_are_told_afterwards_by_the_same_thread():
    told = []

    def tell(number):
        told.append(number)
        if number < 3:
            herald.add(number + 1)
            herald.tell_all()  # is left to the one that is at it
            told.append(f"end of {number}")

    herald = Herald(tell, failed=nothing)
    herald.add(1)
    herald.tell_all()
    assert told == [1, "end of 1", 2, "end of 2", 3]


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_an_error_in_a_thread_is_handed_over_and_the_next_news_are_told(error):
    told, errors = [], []

    def tell(number):
        told.append(number)
        if number == 1:
            raise error

    herald = Herald(tell, failed=errors.append)
    herald.add(1)
    herald.add(2)
    thread = threading.Thread(target=herald.tell_all)
    thread.start()
    thread.join(LONG)
    assert told == [1, 2]
    assert [type(e) for e in errors] == [error]


def test_an_interrupt_in_the_main_thread_is_not_held_back_and_nothing_is_lost():
    told = []

    def tell(number):
        told.append(number)
        if number == 1:
            raise KeyboardInterrupt

    herald = Herald(tell, failed=nothing)
    herald.add(1)
    herald.add(2)
    with pytest.raises(KeyboardInterrupt):
        herald.tell_all()
    herald.tell_all()
    assert told == [1, 2]


def test_many_threads_lose_no_news_and_never_tell_two_at_once():
    told, telling, lock = [], threading.Lock(), threading.Lock()

    def tell(number):
        assert telling.acquire(blocking=False)
        told.append(number)
        telling.release()

    herald, numbers = Herald(tell, failed=nothing), iter(range(4000))

    def bring():
        for _ in range(1000):
            with lock:
                herald.add(next(numbers))
            herald.tell_all()

    threads = [threading.Thread(target=bring) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert told == list(range(4000))
