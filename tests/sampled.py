"""Cases that are alike and take their time."""

from collections.abc import Iterable
from typing import Any

import pytest


def one_in(step: int, cases: Iterable[Any]) -> list[Any]:
    """One in so many cases in the default suite, the others where tests may be slow."""
    return [
        case if index % step == 0 else pytest.param(*case, marks=pytest.mark.slow) for index, case in enumerate(cases)
    ]
