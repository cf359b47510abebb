from pathlib import Path

import numpy as np
import pytest

from charachbench.benchmark.self_reenactment import SelfReenactment
from charachbench.errors import UserError
from charachbench.landmarks.detectors import Given
from tests.benchmark.test_folder import FACE, VALUES, Brightness, clip, levels


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "videos"
    clip(root / "anna.mkv", VALUES)
    clip(root / "dogs" / "rex.mkv", VALUES[::-1])
    return root


def opened(root: Path, detector=None, **options):
    return SelfReenactment(root=str(root), **{"size": 32, **options}).open(
        detector or Brightness(), root.parent / "cache"
    )


def test_the_first_frame_is_the_character_and_the_rest_driver_and_truth(root):
    benchmark = opened(root, stride=2, max_frames=4)
    assert [(pair.name, pair.character.domain) for pair in benchmark.pairs] == [
        ("anna__anna", "human"),
        ("rex__rex", "dogs"),
    ]
    anna = benchmark.pairs[0]
    assert (anna.character.image == VALUES[0]).all()
    assert levels(anna.driver.video) == levels(anna.truth.video) == VALUES[2:10:2]
    np.testing.assert_allclose(anna.character.landmarks, (FACE + VALUES[0] / 10 + 0.5) / 2 - 0.5)
    np.testing.assert_array_equal(anna.driver.landmarks, anna.truth.landmarks)
    np.testing.assert_allclose(anna.driver.landmarks[-1], (FACE + VALUES[8] / 10 + 0.5) / 2 - 0.5)
    assert anna.driver.detection.detected.shape == (4,)


def test_a_sidecar_is_used(root):
    np.save(root / "anna.npy", np.stack([FACE + k for k in range(12)]))
    anna = opened(root, Given(), drivers=["anna"]).pairs[0]
    np.testing.assert_allclose(anna.driver.landmarks[0], (FACE + 1.5) / 2 - 0.5)


def test_subsets(root):
    assert [pair.name for pair in opened(root, domains=["dogs"]).pairs] == ["rex__rex"]
    assert [pair.name for pair in opened(root, max_drivers=1).pairs] == ["anna__anna"]


def test_fingerprints_of_the_roles_differ_and_follow_the_options(root):
    first, again, shorter = (opened(root, max_frames=count).pairs[0] for count in (5, 5, 4))
    assert first.character.fingerprint == again.character.fingerprint
    assert first.character.fingerprint != first.driver.fingerprint
    assert first.driver.fingerprint != shorter.driver.fingerprint


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"root": "nowhere"}, "nowhere: no such folder; benchmark.root must be a folder of videos"),
        ({"drivers": ["ana"]}, "no driver is called 'ana'; did you mean 'anna'"),
        ({"size": 3}, "benchmark.size=3: accepted are"),
    ],
)
def test_wrong_options(root, options, message):
    with pytest.raises(UserError, match=message):
        SelfReenactment(**{"root": str(root), **options}).open(Brightness(), root)


def test_one_frame_is_too_few_and_a_broken_video_is_reported(root):
    clip(root / "anna.mkv", [50])
    (root / "broken.mp4").write_bytes(b"junk" * 50)
    with pytest.raises(UserError, match=r"anna.mkv: gives 1 frame; self-reenactment needs at least 2"):
        _ = opened(root).pairs[0].character.image
    (problem,) = SelfReenactment(root=str(root)).problems()
    assert "broken.mp4: cannot be decoded as video" in problem
