"""What every test starts from."""

import hypothesis
import pytest

from charachbench.benchmark.recent import Recent

# How long an example takes depends on what else the machine does.
hypothesis.settings.register_profile("charachbench", deadline=None)
hypothesis.settings.load_profile("charachbench")


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the videos of another."""
    monkeypatch.setattr("charachbench.benchmark.clips.recent", Recent(2**29))
