"""Herald: tells what happened, in order, to callers who may do as they please."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

News = TypeVar("News")


class Herald(Generic[News]):
    """Calls `tell` with each piece of news, in order, one at a time, under no lock.

    >>> herald = Herald(print, failed=print)
    >>> herald.add("running")
    >>> herald.add("done")
    >>> herald.tell_all()
    running
    done

    News may be added under a lock, where order is decided, and told once it is free:
    then `tell` can wait for another thread that needs the lock. While one thread is
    telling, the others leave their news to it and return at once.

    Parameters
    ----------
    tell
        Called with the news.
    failed
        Called with what `tell` raised; the news that follow are told nevertheless.
    """

    def __init__(
        self,
        tell: Callable[[News], object],
        failed: Callable[[BaseException], object],
    ) -> None:
        self._tell, self._failed = tell, failed
        self._news: deque[News] = deque()
        self._telling = threading.Lock()

    def add(self, news: News) -> None:
        """Take news, to be told after those that are here."""
        self._news.append(news)

    def tell_all(self) -> None:
        """Tell what is to be told, unless somebody is at it."""
        # Asked again after the release: news may have come just before it.
        while self._news and self._telling.acquire(blocking=False):
            try:
                while self._news:
                    self._tell_one()
            finally:
                self._telling.release()

    def _tell_one(self) -> None:
        try:
            self._tell(self._news.popleft())
        except BaseException as error:
            interrupt = not isinstance(error, Exception)
            if interrupt and threading.current_thread() is threading.main_thread():
                raise
            self._failed(error)
