"""One finished run and its bundle, for tests that change neither."""

from pathlib import Path
from typing import NamedTuple

import pytest

from charachbench.benchmark.types import Benchmark
from charachbench.config import Config
from charachbench.store import Store
from tests.submission.bundles import bundled, configured, opened


class Sent(NamedTuple):
    """A run whose pair ``c1__d0`` failed."""

    config: Config
    store: Store
    benchmark: Benchmark
    path: Path

    @property
    def pairs(self) -> list[str]:
        """Names of the benchmark's."""
        return [pair.name for pair in self.benchmark.pairs]


@pytest.fixture(scope="session")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Sent:
    """With clips."""
    config = configured(tmp_path_factory.mktemp("sent"), method_fail_on=["c1__d0"])
    path = bundled(config, clips=True)
    return Sent(config, *opened(config), path)
