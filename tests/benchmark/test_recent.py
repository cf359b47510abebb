"""What is remembered of decoded videos."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from charachbench.benchmark.recent import Recent


def test_the_last_values_stay_up_to_the_limit() -> None:
    made: list[str] = []

    def ask(recent: Recent, key: str, size: int = 1) -> None:
        recent.get(key, lambda: made.append(key), lambda _: size)

    recent = Recent(2)
    for key in ("a", "b", "a", "c", "a", "b"):
        ask(recent, key)
    assert made == ["a", "b", "c", "b"]  # asking for c lets b go, which had waited longest
    ask(recent, "large", size=9)
    ask(recent, "large", size=9)
    assert made[-2:] == ["b", "large"]  # the last one is kept whatever its size


def test_threads_that_ask_together_share_one_value() -> None:
    recent, made, gate = Recent(9), [], threading.Event()

    def make() -> int:
        gate.wait()
        made.append(1)
        return len(made)

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(recent.get, "a", make, lambda _: 1) for _ in range(4)]
        gate.set()
        assert [future.result() for future in asked] == [1, 1, 1, 1]


def test_failures_are_not_kept() -> None:
    recent = Recent(9)
    with pytest.raises(ZeroDivisionError):
        recent.get("a", lambda: 1 / 0, lambda _: 1)
    assert recent.get("a", lambda: 5.0, lambda _: 1) == 5.0
