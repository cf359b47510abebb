"""The noise floor: what is measured, and that tables respect it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from charachbench import noise
from charachbench.commands import leaderboard, open_benchmark
from charachbench.commands import noise as command
from charachbench.config import Config, NoiseConfig
from charachbench.errors import UserError
from charachbench.evaluate import build_metrics, evaluate
from charachbench.generate import generate
from charachbench.protocols import Sample
from charachbench.store import Store
from tests.fakes import Brightness, settings


class Noisy(Brightness):
    """Brightness, off by what is told of seed, batch and threads."""

    def __init__(self, seed: int = 0, batch: int = 8, weights: str = "") -> None:
        self.seed, self.batch, self.weights = seed, batch, weights

    @property
    def random(self) -> bool:
        return self.weights == "random"

    def extract(self, sample: Sample) -> np.ndarray:
        one = torch.get_num_threads() == 1
        return super().extract(sample) + 0.3 * self.seed + 0.01 * (self.batch == 1) + 0.001 * one


NOISY = {"_target_": "tests.test_noise.Noisy", "seed": 0, "batch": 8}
BRIGHTNESS = {"_target_": "tests.fakes.Brightness"}


def generated(config: Config) -> tuple[Store, Any]:
    store = Store(Path(config.results))
    benchmark = open_benchmark(config, store)
    outcome = generate(config, benchmark, store)
    evaluate(config, benchmark, outcome.run, build_metrics(config))
    return store, benchmark


@pytest.fixture(autouse=True)
def two_threads() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_each_change_is_measured_where_it_concerns_the_metric(tmp_path: Path) -> None:
    metrics = {"noisy": NOISY, "noisy_random": {**NOISY, "weights": "random"}, "brightness": BRIGHTNESS}
    config = settings(tmp_path, metrics=metrics)
    store, benchmark = generated(config)
    noises = noise.measure(config, benchmark, store.runs(benchmark), 2)
    assert noises["noisy"].differences == pytest.approx({"seed": 0.3, "batch": 0.01, "threads": 0.001}, rel=1e-6)
    assert noises["noisy_random"].differences == pytest.approx({"batch": 0.01, "threads": 0.001}, rel=1e-6)
    assert noises["brightness"].differences == {"threads": 0.0}
    assert noises["noisy"].spread == pytest.approx(0.3)
    assert torch.get_num_threads() == 2


def test_tables_show_no_digit_below_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = settings(tmp_path, metrics={"noisy": NOISY}, noise=NoiseConfig(pairs=2))
    store, benchmark = generated(config)
    path = store.benchmark_folder(benchmark) / "leaderboard.csv"
    digits = []
    for _ in range(2):
        leaderboard.execute(config)
        row = next(line for line in path.with_suffix(".md").read_text().splitlines() if line.startswith("| roll"))
        digits.append(len(row.split("**")[1].partition(".")[2]))
        command.execute(config)
    assert digits == [1, 0]
    assert "noisy" in capsys.readouterr().out


def test_what_cannot_be_scored_is_told(tmp_path: Path) -> None:
    metrics = {"difference": {"_target_": "tests.fakes.Difference"}, "brightness": BRIGHTNESS}
    config = settings(tmp_path, metrics=metrics, benchmark_truth=False)
    store, benchmark = generated(config)
    noises = noise.measure(config, benchmark, store.runs(benchmark), 2)
    assert noises["difference"].reason.endswith("needs the true video, which is not known")
    assert not noises["brightness"].reason
    noise.write(store.benchmark_folder(benchmark), noises)
    assert list(noise.read(store.benchmark_folder(benchmark))) == [noises["brightness"].signature]


def test_without_runs_there_is_nothing_to_measure(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="generate some first"):
        command.execute(settings(tmp_path))
