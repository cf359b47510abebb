"""What every test starts from."""

import pytest

from charachbench.benchmark.recent import Recent


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the videos of another."""
    monkeypatch.setattr("charachbench.benchmark.clips.recent", Recent(2**29))
