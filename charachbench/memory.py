"""What to do when memory runs out: see that it did, free what can be freed, work in smaller pieces."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import TypeVar

from charachbench.errors import PairFailure

Result = TypeVar("Result")


def ran_out(error: BaseException | None) -> bool:
    """Whether an exception, or one that it came of, says that memory ran out, of the GPU or of the machine."""
    while error is not None:
        if (
            isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
        ):  # torch's, which is not imported
            return True
        if isinstance(error, PairFailure) and error.kind == "out_of_memory":
            return True
        error = error.__cause__
    return False


def free() -> None:
    """Give back what nothing holds any more."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def with_less(work: Callable[[], Result], take_less: Callable[[], bool]) -> tuple[Result, int]:
    """What ``work`` gives, tried again while memory runs out and there is less to do with; and how often it was.

    Args:
        work: may be repeated.
        take_less: makes it do with less memory; false where that cannot be.
    """
    again = 0
    while True:
        try:
            return work(), again
        except Exception as error:
            if not ran_out(error) or not take_less():
                raise
        free()  # after the exception, whose traceback holds the frames that hold the memory
        again += 1
