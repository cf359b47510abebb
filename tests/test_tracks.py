"""How each track sees a benchmark."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charachbench.benchmark.types import Benchmark
from charachbench.config import Track
from charachbench.errors import UserError
from charachbench.landmarks.detectors import Given
from charachbench.tracks import open_for
from tests.fakes import Tiny


def view(track: Track, **options: Any) -> Benchmark:
    return open_for(track, Tiny(**options), Given(), Path())


def test_animation_is_the_benchmark_itself() -> None:
    benchmark, seen = Tiny().open(None, Path()), view(Track.animation)
    assert (seen.name, seen.options) == (benchmark.name, benchmark.options)
    assert [pair.name for pair in seen.pairs] == [pair.name for pair in benchmark.pairs]


def test_landmarks_takes_each_character_once() -> None:
    seen = view(Track.landmarks, characters=3, drivers=2)
    assert [pair.name for pair in seen.pairs] == ["c0", "c1", "c2"]
    for pair in seen.pairs:
        assert pair.truth is not None
        assert pair.truth.landmarks is not None
        assert np.array_equal(pair.truth.landmarks, np.asarray(pair.character.landmarks)[None])
        assert np.array_equal(pair.driver.video.frames, pair.character.image[None])
        with pytest.raises(UserError, match="no drivers in the track of landmarks"):
            _ = pair.driver.landmarks


def test_landmarks_knows_no_truth_of_what_is_not_annotated() -> None:
    seen = view(Track.landmarks, annotated=False)
    assert all(pair.truth is None for pair in seen.pairs)


def test_retargeting_keeps_the_pairs() -> None:
    names = [pair.name for pair in Tiny().open(None, Path()).pairs]
    assert [pair.name for pair in view(Track.retargeting).pairs] == names


def test_each_track_has_its_own_place() -> None:
    seen = [view(track) for track in Track]
    assert [one.name for one in seen] == ["tiny", "tiny-landmarks", "tiny-retargeting"]
    assert len({str(one.options) for one in seen}) == 3
