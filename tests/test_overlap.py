"""What goes on beside the method: in order, at most one thing ahead and one behind, and nothing lost."""

import threading
from concurrent.futures import Future
from typing import NoReturn

import pytest

from charachbench import overlap
from charachbench.overlap import Ahead, Behind


def test_the_next_item_is_done_while_the_caller_is_busy() -> None:
    begun = {item: threading.Event() for item in "abc"}

    def work(item: str) -> str:
        begun[item].set()
        return item.upper()

    items = list("abc")
    with Ahead(work, items) as ahead:
        assert ahead.get(items[0]) == "A"
        assert begun["b"].wait(10)
        assert not begun["c"].is_set()  # one ahead, not more
        assert ahead.get(items[2]) == "C"  # another process does b
        assert ahead.get(items[1]) == "B"


def test_what_fails_ahead_fails_where_it_is_asked_for() -> None:
    items = [[1], [0], [2]]
    with Ahead(lambda item: 1 // item[0], items) as ahead:
        assert ahead.get(items[0]) == 1
        with pytest.raises(ZeroDivisionError):
            ahead.get(items[1])
        assert ahead.get(items[2]) == 0


def test_what_is_begun_ends_in_another_thread_and_is_told_in_the_callers() -> None:
    told: list[tuple[int, int]] = []

    def ended(future: "Future[int]") -> None:
        told.append((future.result(), threading.get_ident()))

    with Behind[int]() as behind:
        behind.begin(threading.get_ident, ended)
        with pytest.raises(RuntimeError, match="wait for what was begun before"):
            behind.begin(threading.get_ident, ended)
        assert told == []
    ((worked, heard),) = told
    assert heard == threading.get_ident() != worked


@pytest.mark.parametrize("interrupted", [False, True])
def test_what_is_begun_is_ended_whatever_happens_and_the_first_failure_is_told(interrupted: bool) -> None:
    told: list[str] = []

    def fail() -> NoReturn:
        told.append("worked")
        raise ValueError("the disk is full")

    def leave() -> None:
        with Behind[None]() as behind:
            behind.begin(fail, lambda future: future.result())
            if interrupted:
                raise KeyboardInterrupt("Ctrl-C")

    with pytest.raises(KeyboardInterrupt if interrupted else ValueError, match="Ctrl-C" if interrupted else "disk"):
        leave()
    assert told == ["worked"]


def test_what_takes_too_long_after_an_interrupt_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlap, "PATIENCE", 0.01)

    def work(behind: Behind[None]) -> None:
        if not behind.dropped.wait(20):
            pytest.fail("was not told")
        raise KeyboardInterrupt

    def leave() -> None:
        with Behind[None]() as behind:
            behind.begin(lambda: work(behind), lambda future: future.result())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        leave()
