"""How each track sees a benchmark."""

from pathlib import Path

import numpy as np
import pytest

from charachbench.config import Track
from charachbench.errors import UserError
from charachbench.tracks import view
from tests.fakes import Tiny


def test_animation_is_the_benchmark_itself() -> None:
    benchmark = Tiny().open(None, Path())
    assert view(benchmark, Track.animation) is benchmark


def test_landmarks_takes_each_character_once() -> None:
    benchmark = Tiny(characters=3, drivers=2).open(None, Path())
    seen = view(benchmark, Track.landmarks)
    assert [pair.name for pair in seen.pairs] == ["c0", "c1", "c2"]
    for pair in seen.pairs:
        assert pair.truth is not None
        assert pair.truth.landmarks is not None
        assert np.array_equal(pair.truth.landmarks, np.asarray(pair.character.landmarks)[None])
        assert np.array_equal(pair.driver.video.frames, pair.character.image[None])
        with pytest.raises(UserError, match="no drivers in the track of landmarks"):
            _ = pair.driver.landmarks


def test_landmarks_knows_no_truth_of_what_is_not_annotated() -> None:
    seen = view(Tiny(annotated=False).open(None, Path()), Track.landmarks)
    assert all(pair.truth is None for pair in seen.pairs)


def test_retargeting_keeps_the_pairs() -> None:
    benchmark = Tiny().open(None, Path())
    assert view(benchmark, Track.retargeting).pairs == benchmark.pairs


def test_each_track_has_its_own_place() -> None:
    benchmark = Tiny().open(None, Path())
    seen = [view(benchmark, track) for track in Track]
    assert [one.name for one in seen] == ["tiny", "tiny-landmarks", "tiny-retargeting"]
    assert len({str(one.options) for one in seen}) == 3
