"""Clips scored again: what was tampered with is found, what varies by itself is not."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charachbench import video
from charachbench.config import BundleConfig
from charachbench.evaluate import build_metrics
from charachbench.submission import clips
from charachbench.submission.read import read
from charachbench.submission.rescore import Rescored, rescore
from charachbench.submission.write import frames_sha256
from tests.submission.bundles import METRICS, edited, members
from tests.submission.conftest import Sent


def again(
    sent: Sent, path: Path, count: int = 11, noise: dict[str, float] | None = None, seed: int = 0, **metrics: Any
) -> Rescored:
    """Scored again with the configured metrics, or with others."""
    config = replace(sent.config, bundle=BundleConfig(rescore=count), seed=seed, metrics={**METRICS, **metrics})
    bundle, _ = read(path, sent.pairs)
    found = clips.find(bundle, sent.benchmark, sent.store, None)
    assert found is not None
    return rescore(config, found, sent.benchmark, build_metrics(config), noise or {})


def test_what_was_submitted_is_found_again(sent: Sent) -> None:
    assert again(sent, sent.path) == Rescored(11, [], {})


def test_numbers_of_sets_are_compared_where_all_clips_are_scored_again(sent: Sent) -> None:
    found = again(sent, sent.path, 3)
    assert (found.clips, found.problems) == (3, [])
    reason = "it is a number of all pairs together; bundle.rescore=11 compares it"
    assert found.left_out == {"spread": reason, "shift": reason}


@pytest.mark.parametrize("row", [1, 3], ids=["brightness", "spread"])
def test_a_value_that_was_tampered_with(sent: Sent, tmp_path: Path, row: int) -> None:
    def change(rows: list[list[str]]) -> None:
        rows[row][3] = str(1.01 * float(rows[row][3]))

    metric = ["brightness", "difference", "spread"][row - 1]
    (told,) = again(sent, edited(sent.path, tmp_path / "x.zip", scores=change)).problems
    assert told.startswith(f"{metric} of c0__d0: ")
    assert "was submitted, scored again it is" in told


def test_a_clip_that_was_tampered_with_and_its_hashes_with_it(sent: Sent, tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    path.write_bytes(members(sent.path)["clips/c0__d0.mkv"])
    frames = video.read(path).frames.copy()
    frames[1, :16] //= 2
    video.write_lossless(video.Video(frames, 25.0), path)

    def change(found: Any) -> None:
        found["clips"][0]["frames_sha256"] = frames_sha256(frames)
        found["clips"][0]["files"]["video.mkv"] = hashlib.sha256(path.read_bytes()).hexdigest()

    target = edited(
        sent.path, tmp_path / "x.zip", change, files=lambda held: held.update({"clips/c0__d0.mkv": path.read_bytes()})
    )
    problems = again(sent, target, brightness=METRICS["brightness"]).problems
    assert {problem.partition(":")[0] for problem in problems} >= {"brightness of c0__d0", "difference of c0__d0"}


def test_a_status_that_was_tampered_with(sent: Sent, tmp_path: Path) -> None:
    def change(rows: list[list[str]]) -> None:
        rows[1][2:] = ["unscored", "", "no face found"]

    (told,) = again(sent, edited(sent.path, tmp_path / "x.zip", scores=change)).problems
    assert told.startswith("brightness of c0__d0: was submitted as unscored, scored again it is 1")


def test_differences_within_measured_noise_are_none(sent: Sent, tmp_path: Path) -> None:
    def change(rows: list[list[str]]) -> None:
        rows[1][3] = str(float(rows[1][3]) + 0.5)

    path = edited(sent.path, tmp_path / "x.zip", scores=change)
    assert len(again(sent, path).problems) == 1
    signature = next(metric.signature for metric in build_metrics(sent.config) if metric.name == "brightness")
    assert again(sent, path, noise={signature: 0.6}).problems == []


def test_what_is_drawn_depends_on_the_seed_alone(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[list[str]] = []
    original = clips.Clips.sample

    def sample(self: clips.Clips, clip: Any, pair: Any) -> Any:
        drawn[-1].append(pair.name)
        return original(self, clip, pair)

    monkeypatch.setattr(clips.Clips, "sample", sample)
    for seed in (0, 0, 1):
        drawn.append([])
        again(sent, sent.path, 4, seed=seed)
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) == 4


def test_metrics_of_another_protocol_and_broken_clips_are_left_out(sent: Sent, tmp_path: Path) -> None:
    path = edited(sent.path, tmp_path / "x.zip", files=lambda held: held.update({"clips/c0__d0.mkv": b""}))
    found = again(sent, path, shift={**METRICS["shift"], "scale": 2.0})
    assert len(found.problems) == 1
    assert "cannot be decoded" in found.problems[0]
    assert found.left_out == {
        "shift": "it is of another protocol than here",
        "spread": "it is a number of all pairs together, and 1 clips cannot be read",
    }


def test_landmarks_are_scored_again_too(sent: Sent, tmp_path: Path) -> None:
    """A method may make them, and metrics may look at them; here of whatever shape."""
    points = np.random.default_rng(0).uniform(0, 32, (4, 68, 2))
    np.save(tmp_path / "landmarks.npy", points)
    data = (tmp_path / "landmarks.npy").read_bytes()

    def sample(content: bytes, digest: str) -> Any:
        def change(found: Any) -> None:
            found["clips"][0]["files"]["landmarks.npy"] = digest

        path = edited(
            sent.path,
            tmp_path / "x.zip",
            change,
            files=lambda held: held.update({"clips/c0__d0.landmarks.npy": content}),
        )
        bundle, _ = read(path, sent.pairs)
        found = clips.find(bundle, sent.benchmark, sent.store, None)
        assert found is not None
        return found.sample(bundle.manifest.clips[0], sent.benchmark.pairs[0])

    np.testing.assert_array_equal(sample(data, hashlib.sha256(data).hexdigest()).landmarks, points)
    with pytest.raises(Exception, match="c0__d0: its landmarks.npy is not the one that was bundled"):
        sample(data, "0" * 64)
    np.save(tmp_path / "landmarks.npy", np.array([{"a": 1}]), allow_pickle=True)
    for other in (
        (tmp_path / "landmarks.npy").read_bytes(),
        data[:-8],
        b"",
        data.replace(b"(4, 68, 2)", b"(9**9, 8, )"),
    ):
        with pytest.raises(Exception, match="c0__d0: its landmarks.npy: cannot be read as a NumPy file"):
            sample(other, hashlib.sha256(other).hexdigest())
    np.save(tmp_path / "landmarks.npy", points[:3])
    other = (tmp_path / "landmarks.npy").read_bytes()
    with pytest.raises(Exception, match=r"is float64 \(3, 68, 2\); accepted are finite floats \(4, 68, 2\)"):
        sample(other, hashlib.sha256(other).hexdigest())
