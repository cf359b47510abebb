"""Scoring videos that are already made."""

from pathlib import Path

import numpy as np
import pytest

from charachbench.benchmark.types import Pair
from charachbench.errors import UserError
from charachbench.video import Video, write_lossless
from methods.videos import Videos
from tests.fakes import SIZE, Tiny, clip, video_of


@pytest.fixture
def pair() -> Pair:
    return Tiny(characters=1, drivers=1, frames=4).open(None, Path()).pairs[0]


def put(path: Path, video: Video) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_lossless(video, path)
    return path


@pytest.mark.parametrize("pattern", ["{character}__{driver}.mkv", "{domain}/{character}/{driver}.mkv"])
def test_the_video_is_found_by_its_pattern(tmp_path: Path, pair: Pair, pattern: str) -> None:
    put(tmp_path / pattern.format(character="c0", driver="d0", domain="even"), clip("x", 4))
    animation = Videos(str(tmp_path), pattern).animate(pair, 0)
    assert np.array_equal(video_of(animation).frames, clip("x", 4).frames)


def test_another_file_is_another_input(tmp_path: Path, pair: Pair) -> None:
    method = Videos(str(tmp_path), "{character}__{driver}.mkv")
    assert method.fingerprint(pair) == ""
    path = put(tmp_path / "c0__d0.mkv", clip("x", 4))
    before = method.fingerprint(pair)
    put(path, clip("y", 4))
    assert "" != before != method.fingerprint(pair)


def test_size_and_length_are_changed_only_when_asked(tmp_path: Path, pair: Pair) -> None:
    double = Video(np.kron(clip("x", 7).frames, np.ones((1, 2, 2, 1), np.uint8)), 25.0)
    put(tmp_path / "c0__d0.mkv", double)
    pattern = "{character}__{driver}.mkv"
    with pytest.raises(UserError, match=r"frames are 64 x 64, the character 32 x 32; .* method.resize=true"):
        Videos(str(tmp_path), pattern).animate(pair, 0)
    with pytest.raises(UserError, match=r"has 7 frames, the driver 4; .* method.length=trim or resample"):
        Videos(str(tmp_path), pattern, resize=True).animate(pair, 0)
    trimmed = Videos(str(tmp_path), pattern, resize=True, length="trim").animate(pair, 0)
    assert np.array_equal(video_of(trimmed).frames, clip("x", 7).frames[:4])
    assert trimmed.notes == {"source_frames": 7, "source_size": [2 * SIZE, 2 * SIZE]}
    spread = Videos(str(tmp_path), pattern, resize=True, length="resample").animate(pair, 0)
    assert np.array_equal(video_of(spread).frames, clip("x", 7).frames[[0, 2, 4, 6]])


def test_too_few_frames_cannot_be_trimmed(tmp_path: Path, pair: Pair) -> None:
    put(tmp_path / "c0__d0.mkv", clip("x", 3))
    with pytest.raises(UserError, match=r"has 3 frames, the driver 4; accept that with method.length=resample"):
        Videos(str(tmp_path), "{character}__{driver}.mkv", length="trim").animate(pair, 0)


@pytest.mark.parametrize(
    ("root", "pattern", "message"),
    [
        ("nowhere", "{character}.mp4", "method.root: no such folder: .*nowhere"),
        (".", "{actor}.mp4", "may hold {character}, {driver} and {domain} only"),
        (".", "{character.__class__}.mp4", "may hold {character}, {driver} and {domain} only"),
        (".", "{character", "may hold {character}, {driver} and {domain} only"),
    ],
)
def test_wrong_settings(tmp_path: Path, root: str, pattern: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Videos(str(tmp_path / root), pattern)


def test_missing_files_and_paths_that_lead_out(tmp_path: Path, pair: Pair) -> None:
    with pytest.raises(UserError, match=r"c0__d0.mp4: no such video file"):
        Videos(str(tmp_path)).animate(pair, 0)
    with pytest.raises(UserError, match="leads out of"):
        Videos(str(tmp_path), "../{character}.mkv").animate(pair, 0)
