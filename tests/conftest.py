"""What every test starts from."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # workers with threads for every core wait for each other: twice the time
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import pytest

from charachbench import output
from charachbench.benchmark.recent import Recent

# The same examples each time, so that a failure is the change's, and no deadline: the machine may be busy.
hypothesis.settings.register_profile("charachbench", deadline=None, derandomize=True)
hypothesis.settings.load_profile("charachbench")


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the videos of another, or prints as another does."""
    monkeypatch.setattr("charachbench.benchmark.clips.recent", Recent(2**29))
    monkeypatch.setattr(output, "_json", False)
    monkeypatch.setattr(output, "context", {})
