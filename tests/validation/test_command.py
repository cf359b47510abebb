"""The command: tables and pictures that agree with each other, and clear sentences."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from charachbench.commands import open_benchmark, validate
from charachbench.config import Config, ValidateConfig
from charachbench.errors import UserError
from charachbench.evaluate import NamedMetric
from charachbench.store import Store
from charachbench.validation import drawing, report
from charachbench.validation.responses import Response
from tests.fakes import Brightness, Difference, settings

METRICS = {
    "difference": {"_target_": "tests.fakes.Difference"},
    "constant": {"_target_": "tests.validation.test_responses.Frozen"},
    "set": {"_target_": "tests.validation.test_responses.FromTruth"},
    "weighty": {"_target_": "tests.fakes.Weighty", "weights": "nowhere.pth"},
    "picky": {"_target_": "tests.fakes.Picky", "unscored": ["c0", "c1", "c2"]},
}


def configured(results: Path, **options: Any) -> Config:
    options.setdefault("validate", ValidateConfig(severities=2, pairs=2, repeats=3))
    return settings(results, metrics=METRICS, benchmark_frames=6, **options)


def folder(config: Config) -> Path:
    store = Store(Path(config.results))
    return store.benchmark_folder(open_benchmark(config, store)) / "validation"


def test_the_command_writes_tables_and_pictures_and_repeats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = configured(tmp_path)
    assert validate.execute(config) == []
    written = folder(config)
    assert {path.name for path in written.iterdir()} == {
        "responses.csv", "validation.md", "responses.png", "bias.png"
    }  # fmt: skip
    lines = list(csv.DictReader((written / "responses.csv").open(encoding="utf-8")))
    assert len(lines) == 3 * 9 * 3
    noise = [line for line in lines if line["metric"] == "difference" and line["corruption"] == "noise"]
    assert [line["severity"] for line in noise] == ["0", "1", "2"]
    values = [float(line["value"]) for line in noise]
    assert values == sorted(values)
    assert values[0] == 0
    assert {line["correlation"] for line in lines if line["metric"] == "constant"} == {"0.0"}
    text = (written / "validation.md").read_text(encoding="utf-8")
    assert "| constant | fidelity | **0.00** |" in text
    assert f" | 0 → {values[-1]:.4g} | " in text.partition("| difference ↓ |")[2].splitlines()[0]
    assert "* constant: does not respond to blur (claimed), noise (claimed)" in text
    assert "* weighty: weights nowhere.pth not found." in text
    assert "* picky: no face found in 4 of 4 frames." in text
    assert "### set ↓" in text
    shown = capsys.readouterr().out
    assert "difference" in shown
    assert "responses.png" in shown
    for name in ("responses.png", "bias.png"):
        pixels = np.asarray(Image.open(written / name).convert("RGB"))
        assert min(pixels.shape[:2]) > 200
        assert pixels.std() > 10
    first = {path.name: path.read_bytes() for path in written.iterdir()}
    validate.execute(config)  # from what is kept
    assert {path.name: path.read_bytes() for path in written.iterdir()} == first


def test_a_benchmark_without_truth_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="benchmark 'tiny': no pair has a true video"):
        validate.execute(configured(tmp_path, benchmark_truth=False))


@pytest.mark.parametrize("wrong", [{"severities": 1}, {"pairs": 0}, {"repeats": 0}])
def test_wrong_counts_are_told(tmp_path: Path, wrong: dict[str, int]) -> None:
    (name,) = wrong
    with pytest.raises(UserError, match=rf"validate.{name}=\d: accepted are whole numbers from"):
        validate.execute(configured(tmp_path, validate=ValidateConfig(**wrong)))


def test_nothing_but_reasons_is_written_where_no_metric_can_be_loaded(tmp_path: Path) -> None:
    config = settings(tmp_path, metrics={"weighty": METRICS["weighty"]}, validate=ValidateConfig(severities=2, pairs=1))
    assert validate.execute(config) == []
    assert {path.name for path in folder(config).iterdir()} == {"responses.csv", "validation.md"}
    assert "nowhere.pth" in (folder(config) / "validation.md").read_text(encoding="utf-8")


def made(name: str, corruption: str, values: tuple[float | None, ...], rho: float | None, **facts: Any) -> Response:
    metric = Difference() if name == "down" else Brightness()
    shown: dict[str, Any] = {"pairs": 2, "unscored": (0,) * len(values), "reason": ""} | facts
    return Response(NamedMetric(name, metric, {}), corruption, values, correlation=rho, **shown)


def example() -> report.Validation:
    responses = (
        made("down", "blur", (1.0, 2.0, 5.0), 1.0),
        made("down", "noise", (1.0, 1.0, 1.0), 0.0),
        made("down", "time_shift", (1.0, 0.5, 0.0), -1.0),
        made("up", "blur", (9.0, 9.0, 10.0), -0.87),
        made("up", "noise", (9.0, 4.0, 7.0), 0.5),
        made("up", "time_shift", (None,) * 3, None, pairs=0, unscored=(0, 1, 2), reason="lost"),
    )
    return report.Validation("b", 2, 2, responses, (), {"gone": "no weights"})


def test_findings_say_what_is_not_seen_and_what_is_liked() -> None:
    assert example().findings() == [
        "down: does not respond to noise; gets better under time shift.",
        "up: gets better under blur; has no number under time shift.",
    ]
    assert example().unscored() == ["time shift: 0, 1, 2 of 2 pairs at severities 0 to 2, by up: lost."]


def test_effects_are_shares_of_the_largest_change() -> None:
    validation = example()
    effects = [validation.effect(response) for response in validation.responses]
    assert effects == [1.0, 0.0, -0.25, -0.5, 1.0, None]
    still = report.Validation("b", 2, 2, (made("down", "noise", (1.0, 1.0), 0.0),), (), {})
    assert still.effect(still.responses[0]) is None


def test_every_number_of_the_map_is_written_in_its_cell() -> None:
    figure = drawing.heat_map(example())
    texts = [text.get_text() for text in figure.axes[0].texts]
    for expected in ("+1.00", "0.00", "−1.00", "−0.87", "+0.50", "–", "100%", "−25%"):
        assert expected in texts
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["down", "up"]
