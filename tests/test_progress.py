"""What a loop over pairs does when it is interrupted."""

import contextlib
import signal
import threading

import pytest

from charachbench.progress import track


def test_an_interrupt_that_was_lost_is_heeded_before_the_next_item() -> None:
    before, done = signal.getsignal(signal.SIGINT), []

    def loop() -> None:
        for item in track([1, 2, 3], "loop"):
            with contextlib.suppress(KeyboardInterrupt):  # as Python does in a destructor
                signal.raise_signal(signal.SIGINT)
            done.append(item)

    with pytest.raises(KeyboardInterrupt):
        loop()
    assert done == [1]
    assert signal.getsignal(signal.SIGINT) is before


def test_otherwise_every_item_comes_in_any_thread() -> None:
    done: list[int] = []
    thread = threading.Thread(target=lambda: done.extend(track([1, 2, 3], "loop")))
    thread.start()
    thread.join()
    assert done == list(track([1, 2, 3], "loop")) == [1, 2, 3]
