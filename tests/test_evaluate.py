"""Evaluation: every pair ends as scored, unscored or error, once."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charachbench import keys, video
from charachbench.commands import open_benchmark
from charachbench.config import Config
from charachbench.errors import UserError
from charachbench.evaluate import Tally, build_metrics, evaluate, keys_of
from charachbench.generate import generate
from charachbench.store import Store
from tests.fakes import clip, image, settings

BRIGHTNESS = {"_target_": "tests.fakes.Brightness"}
DIFFERENCE = {"_target_": "tests.fakes.Difference"}


def run(config: Config) -> tuple[Tally, dict[str, dict[str, Any]]]:
    """What was done, and all scores by ``<pair> <metric>``."""
    store = Store(Path(config.results))
    benchmark = open_benchmark(config, store)
    outcome = generate(config, benchmark, store)
    tally = evaluate(config, benchmark, outcome.run, build_metrics(config))
    found = {}
    for name, (entry, _) in outcome.run.finished(benchmark).items():
        for score in entry.scores().values():
            found[f"{name} {score['metric']}"] = score
    return tally, found


def test_scores_are_the_metrics_own(tmp_path: Path) -> None:
    tally, scores = run(settings(tmp_path, metrics={"brightness": BRIGHTNESS, "difference": DIFFERENCE}))
    assert (tally.scored, tally.reused) == (12, 0)
    assert scores["c1__d0 brightness"]["value"] == pytest.approx(image("c1").mean())
    rolled = np.stack([np.roll(image("c1"), index, axis=1) for index in range(4)]).astype(float)
    assert scores["c1__d0 difference"]["value"] == pytest.approx(np.abs(rolled - clip("c1d0", 4).frames).mean())


def test_a_second_run_computes_nothing_and_a_new_metric_joins(tmp_path: Path) -> None:
    run(settings(tmp_path, metrics={"brightness": BRIGHTNESS}))
    tally, _ = run(settings(tmp_path, metrics={"brightness": BRIGHTNESS}))
    assert (tally.scored, tally.reused) == (0, 6)
    tally, scores = run(settings(tmp_path, metrics={"brightness": BRIGHTNESS, "difference": DIFFERENCE}))
    assert (tally.scored, tally.reused, len(scores)) == (6, 6, 12)


def test_the_video_is_decoded_once_for_all_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Path] = []
    original = video.read

    def read(path: Path) -> video.Video:
        reads.append(path)
        return original(path)

    monkeypatch.setattr(video, "read", read)
    run(settings(tmp_path, metrics={"brightness": BRIGHTNESS, "difference": DIFFERENCE}))
    assert len(reads) == 6


def test_a_higher_version_or_another_truth_is_scored_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = settings(tmp_path, metrics={"difference": DIFFERENCE})
    run(config)
    monkeypatch.setattr("tests.fakes.Difference.version", 2)
    assert run(config)[0].scored == 6
    monkeypatch.undo()
    assert run(config)[0].scored == 0  # the former scores were kept
    assert run(replace(config, benchmark={**config.benchmark, "truth": False}))[0].scored == 6


@pytest.mark.parametrize(
    ("options", "needs", "reason"),
    [
        ({"benchmark_truth": False}, "truth", "needs the true video, which is not known"),
        ({"benchmark_truth": False}, "truth_landmarks", "needs the landmarks of the true video, which are not known"),
        ({"benchmark_annotated": False}, "character_landmarks", "needs the character's landmarks"),
        ({"benchmark_faceless": True}, "driver_landmarks", "driver 'd0': no face found in any frame"),
    ],
)
def test_what_is_missing_leaves_a_pair_unscored_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], needs: str, reason: str
) -> None:
    monkeypatch.setattr("tests.fakes.Brightness.needs", frozenset({needs}))
    tally, scores = run(settings(tmp_path, metrics={"brightness": BRIGHTNESS}, **options))
    assert scores["c0__d0 brightness"]["status"] == "unscored"
    assert scores["c0__d0 brightness"]["reason"].startswith(reason)
    assert "value" not in scores["c0__d0 brightness"]
    assert not tally.errors


def test_errors_are_kept_apart_and_tried_again(tmp_path: Path) -> None:
    picky = {"_target_": "tests.fakes.Picky", "unscored": ["c0"], "error": ["c1"]}
    config = settings(tmp_path, metrics={"picky": picky})
    tally, scores = run(config)
    assert {name.split("__")[0]: score["status"] for name, score in scores.items()} == {
        "c0": "unscored", "c1": "error", "c2": "scored",
    }  # fmt: skip
    assert scores["c1__d0 picky"]["reason"] == "ZeroDivisionError: broken"
    assert len(tally.errors) == 2
    again, _ = run(config)
    assert (again.scored, again.reused) == (2, 4)
    with pytest.raises(UserError, match="picky of roll, pair c1__d0 failed: ZeroDivisionError"):
        run(replace(config, on_error="raise"))


def test_metrics_that_extract_the_same_share_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shift = {"_target_": "tests.fakes.Shift"}
    run(settings(tmp_path, metrics={"shift": shift}))
    assert len(list(tmp_path.glob("references/*.npy"))) == 2  # drivers

    def fail(self: Any, sample: Any) -> Any:
        raise AssertionError("extracted again")

    monkeypatch.setattr("tests.fakes.Shift.extract", fail)
    monkeypatch.setattr("tests.fakes.Shift._colours", fail)
    tally, scores = run(settings(tmp_path, metrics={"shift": shift, "twice": {**shift, "scale": 2.0}}))
    assert (tally.scored, tally.errors) == (6, {})
    assert scores["c0__d0 shift"]["array"] == scores["c0__d0 twice"]["array"]
    assert run(settings(tmp_path, metrics={"shift": shift}, method_step=2))[0].errors  # another video is extracted


def test_missing_weights_are_told_once_and_tried_again(tmp_path: Path) -> None:
    weights = tmp_path / "weights.pth"
    metrics = {"weighty": {"_target_": "tests.fakes.Weighty", "weights": str(weights)}, "brightness": BRIGHTNESS}
    config = settings(tmp_path, metrics=metrics)
    tally, scores = run(config)
    assert tally.errors == {"weighty": f"weights {weights} not found"}
    assert scores["c0__d0 weighty"]["reason"] == f"weights {weights} not found"
    assert scores["c0__d0 brightness"]["status"] == "scored"
    weights.touch()
    tally, scores = run(config)
    assert (tally.errors, scores["c0__d0 weighty"]["status"]) == ({}, "scored")


@pytest.mark.parametrize(("name", "weights"), [("fid", "random"), ("fid_random", "real.pth")])
def test_a_name_tells_random_weights(tmp_path: Path, name: str, weights: str) -> None:
    node = {"_target_": "tests.fakes.Weighty", "weights": weights}
    with pytest.raises(UserError, match=f"metrics.{name}: has .*random weights; names end in _random if"):
        build_metrics(settings(tmp_path, metrics={name: node}))


def test_the_size_of_batches_is_in_no_key(tmp_path: Path) -> None:
    node = {"_target_": "tests.fakes.Weighty", "weights": "random"}
    run(settings(tmp_path, metrics={"weighty_random": node}))
    assert run(settings(tmp_path, metrics={"weighty_random": {**node, "batch": 4}}))[0].scored == 0


def test_every_score_bears_its_signature(tmp_path: Path) -> None:
    config = settings(tmp_path, metrics={"shift": {"_target_": "tests.fakes.Shift"}})
    _, scores = run(config)
    (metric,) = build_metrics(config)
    assert scores["c0__d0 shift"]["signature"] == metric.signature
    assert scores["c0__d0 shift"]["protocol"] == {"reference": "driver"}
    (other,) = build_metrics(settings(tmp_path, metrics={"shift": {"_target_": "tests.fakes.Shift", "scale": 2.0}}))
    assert metric.signature != other.signature


def test_a_damaged_video_is_an_error_of_its_pair_alone(tmp_path: Path) -> None:
    config = settings(tmp_path)
    store = Store(tmp_path)
    benchmark = open_benchmark(config, store)
    outcome = generate(config, benchmark, store)
    path = outcome.run.finished(benchmark)["c0__d0"][0].video_path
    path.write_bytes(path.read_bytes()[:200])
    tally = evaluate(config, benchmark, outcome.run, build_metrics(config))
    assert tally.scored == 6
    assert list(tally.errors) == ["brightness of roll, pair c0__d0"]
    assert str(path) in tally.errors["brightness of roll, pair c0__d0"]


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ({}, "metrics: none are configured"),
        (
            {"x": {"_target_": "tests.fakes.Roll"}},
            "metrics.x._target_: tests.fakes.Roll is not a charachbench.protocols.Metric",
        ),
        ({"x": {"_target_": "tests.fakes.Nothing"}}, "metrics.x._target_: cannot import tests.fakes.Nothing"),
        (
            {"x": {"_target_": "tests.fakes.Picky", "eror": []}},
            r"metrics.x.eror: no such setting; did you mean 'error'\?",
        ),
        (
            {"x": {"_target_": "tests.fakes.Picky", "error": "c1"}},
            "metrics.x.error: input should be a valid list, got 'c1'",
        ),
    ],
)
def test_wrong_metrics_are_told_before_anything_is_read(tmp_path: Path, metrics: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_metrics(settings(tmp_path, metrics=metrics))


def test_scores_of_a_wrong_shape_are_made_again(tmp_path: Path) -> None:
    config = settings(tmp_path)
    _, scores = run(config)
    for index, path in enumerate(sorted(tmp_path.glob("tiny-*/*/*/scores.json"))):
        key = next(iter(json.loads(path.read_text())))
        path.write_text(json.dumps({key: [5, {}, {"status": "scored"}][index % 3], "x": None}))
    again, after = run(config)
    assert again.scored == len(scores) == len(after)


def test_a_video_that_was_changed_is_an_error(tmp_path: Path) -> None:
    config = settings(tmp_path)
    store = Store(tmp_path)
    benchmark = open_benchmark(config, store)
    outcome = generate(config, benchmark, store)
    finished = outcome.run.finished(benchmark)
    finished["c0__d0"][0].video_path.write_bytes(finished["c1__d0"][0].video_path.read_bytes())
    tally = evaluate(config, benchmark, outcome.run, build_metrics(config))
    assert list(tally.errors) == ["brightness of roll, pair c0__d0"]
    assert "was damaged or changed since it was generated" in next(iter(tally.errors.values()))


def test_a_score_whose_arrays_are_gone_is_made_again(tmp_path: Path) -> None:
    config = settings(tmp_path, metrics={"shift": {"_target_": "tests.fakes.Shift"}})
    run(config)
    for pattern in ("references/*.npy", "tiny-*/*/c0__d0-*/features-*.npy"):
        for path in tmp_path.glob(pattern):
            path.unlink()
        assert run(config)[0].scored >= (2 if "references" in pattern else 1)  # of each driver, of one pair
    assert len(list(tmp_path.glob("references/*.npy"))) == 2
    assert run(config)[0].scored == 0


def test_a_score_is_kept_under_the_hash_of_all_that_decides_it(tmp_path: Path) -> None:
    """Written down here, since stores are found again by it: made in parts, it is that of the whole."""
    config = settings(
        tmp_path, metrics={name: {"_target_": f"tests.fakes.{name}"} for name in ("Brightness", "Spread")}
    )
    metrics, outputs = build_metrics(config), {"video.mkv": "ü", "landmarks.npy": "1"}
    for pair in open_benchmark(config, Store(tmp_path)).pairs:
        assert pair.truth is not None
        inputs = [pair.character.fingerprint, "a", pair.driver.fingerprint, pair.truth.fingerprint]
        for metric, key in zip(metrics, keys_of(metrics, pair, outputs), strict=True):
            assert key == metric.key(pair, outputs)
            assert key == keys.digest({"metric": metric.identity, "inputs": inputs, "outputs": outputs})
