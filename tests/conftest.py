"""What every test starts from."""

import hypothesis
import pytest

from charachbench.benchmark.recent import Recent

# The same examples each time, so that a failure is the change's, and no deadline: the machine may be busy.
hypothesis.settings.register_profile("charachbench", deadline=None, derandomize=True)
hypothesis.settings.load_profile("charachbench")


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the videos of another."""
    monkeypatch.setattr("charachbench.benchmark.clips.recent", Recent(2**29))
