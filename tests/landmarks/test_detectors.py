from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from charachbench import weights
from charachbench.errors import UserError
from charachbench.landmarks import mean_shape, sidecar, topology
from charachbench.landmarks.detectors import MESH, FaceAlignment, MediaPipe, fill_gaps
from methods import landmark_sources

SHARED = Path(__file__).parents[2].parent / "shared"
MODEL = SHARED / "models" / "face_landmarker.task"
CHARACTERS = Path(__file__).parents[1] / "data" / "characters"
needs_model = pytest.mark.skipif(not MODEL.is_file(), reason="the face landmarker is not in ../shared/models")


class TestFillGaps:
    def track(self) -> np.ndarray:
        return np.arange(12.0)[:, None, None] * np.ones((12, 68, 2)) * [1, -2]

    def test_linear_between_and_nearest_at_the_ends(self):
        true = self.track()
        detected = np.array([0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 1, 0], bool)
        given = np.where(detected[:, None, None], true, np.nan)
        filled = fill_gaps(given, detected, 3, "driver 'x'")
        np.testing.assert_allclose(filled[2:11], true[2:11])
        np.testing.assert_array_equal(filled[:2], true[[2, 2]])
        np.testing.assert_array_equal(filled[11], true[10])

    def test_long_gaps_are_named(self):
        detected = np.array([1, 0, 0, 0, 1, 0, 1, 1, 0, 0, 0, 0], bool)
        with pytest.raises(UserError, match=r"driver 'x': no face found in frames 1-3, 8-11 of 12 .*up to 2 frames"):
            fill_gaps(self.track(), detected, 2, "driver 'x'")
        with pytest.raises(UserError, match=r"frames 1-3, 5, 8-11 of 12"):
            fill_gaps(self.track(), detected, 0, "driver 'x'")

    def test_no_face_at_all(self):
        with pytest.raises(UserError, match="driver 'x': no face found in any of its 12 frames"):
            fill_gaps(self.track(), np.zeros(12, bool), 99, "driver 'x'")


def test_the_mesh_map_is_complete():
    assert MESH.shape == (68,)
    assert len(set(MESH.tolist())) == 68
    assert MESH.max() < 478


@needs_model
def test_mediapipe_finds_the_shared_drivers(monkeypatch):
    from charachbench.video import decode

    monkeypatch.setenv(weights.VARIABLE, str(MODEL.parent))
    detector = MediaPipe()
    frames = [
        frame for index, (_, frame) in enumerate(decode(SHARED / "data" / "drivers" / "d18.mp4")[1]) if index % 12 == 0
    ]
    points, detected = detector.detect(frames)
    assert detected.all()
    assert points.shape == (len(frames), 68, 2)
    again, _ = detector.detect(frames[3:5])  # stateless: a frame's landmarks depend on that frame alone
    np.testing.assert_array_equal(again, points[3:5])
    # The parts lie where parts of an upright face lie.
    centres = {name: points[:, part].mean(axis=1) for name, part in topology.PARTS.items()}
    assert (centres["eyebrows"][:, 1] < centres["eyes"][:, 1]).all()
    assert (centres["eyes"][:, 1] < centres["nose"][:, 1]).all()
    assert (centres["nose"][:, 1] < centres["mouth"][:, 1]).all()
    assert (points[:, 36, 0] < points[:, 45, 0]).all()
    assert "64184e229b263107" in detector.fingerprint


@needs_model
def test_mediapipe_says_where_no_face_is():
    points, detected = MediaPipe(str(MODEL)).detect([np.full((64, 64, 3), 128, np.uint8)] * 2)
    assert not detected.any()
    assert np.isnan(points).all()


@needs_model
def test_mediapipe_finds_expression_and_pose():
    from charachbench.video import decode

    detector = MediaPipe(str(MODEL))
    frame = next(decode(SHARED / "data" / "drivers" / "d18.mp4")[1])[1]
    blank = np.full_like(frame, 128)
    blendshapes, matrices = detector.expressions([frame, blank, frame[:, ::-1]])
    assert blendshapes.shape == (3, 52)
    assert matrices.shape == (3, 3, 3)
    assert np.isnan(blendshapes[1]).all()
    assert np.isnan(matrices[1]).all()
    assert ((blendshapes[[0, 2]] >= 0) & (blendshapes[[0, 2]] <= 1)).all()
    again, _ = detector.expressions([frame])
    np.testing.assert_array_equal(again[0], blendshapes[0])
    for matrix in matrices[[0, 2]]:
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(3) * np.linalg.det(matrix) ** (2 / 3), atol=1e-4)
    # A mirrored face turns and tilts the other way; the columns of the matrix are the head's own axes.
    mirror = np.diag([-1, 1, 1])
    np.testing.assert_allclose(mirror @ matrices[0] @ mirror, matrices[2], atol=0.05)


@pytest.mark.skipif(find_spec("face_alignment") is not None, reason="face-alignment is installed")
def test_a_missing_package_names_its_extra():
    with pytest.raises(UserError, match=r"charachbench\[face_alignment\]"):
        _ = FaceAlignment().fingerprint
    with pytest.raises(UserError, match=r"charachbench\[face_alignment\]"):
        FaceAlignment().detect([])


class TestWeights:
    def test_missing(self, tmp_path, monkeypatch):
        monkeypatch.setenv(weights.VARIABLE, str(tmp_path))
        monkeypatch.setenv("HOME", str(tmp_path))
        with pytest.raises(
            UserError, match=r"not found at .*face_landmarker\.task.*storage\.googleapis\.com.*Apache-2\.0"
        ):
            weights.locate("face_landmarker")

    def test_wrong(self, tmp_path):
        (tmp_path / "face_landmarker.task").write_bytes(b"something else")
        with pytest.raises(UserError, match=r"is not the registered 'face_landmarker' .*get it again"):
            weights.locate("face_landmarker", tmp_path / "face_landmarker.task")

    def test_unknown(self):
        with pytest.raises(UserError, match=r"'nonsense'.*known are .*face_landmarker"):
            weights.locate("nonsense")

    @needs_model
    def test_found(self, tmp_path, monkeypatch):
        monkeypatch.setenv(weights.VARIABLE, str(MODEL.parent))
        assert weights.locate("face_landmarker") == MODEL
        assert MODEL.stat().st_size == weights.REGISTRY["face_landmarker"].size


class TestMeanShape:
    def test_symmetric_in_its_box(self):
        shape = mean_shape.mean_shape()
        np.testing.assert_allclose(topology.box(shape), [0, 0, 1, 1])
        np.testing.assert_allclose(shape[topology.MIRROR] * [-1, 1] + [1, 0], shape, atol=1e-12)

    def test_fitted_to_a_box(self):
        np.testing.assert_allclose(topology.box(mean_shape.fit(np.array([3.0, 5, 20, 44]))), [3, 5, 20, 44])

    @needs_model
    def test_close_to_a_real_face(self):
        from charachbench.video import decode

        _, frame = next(decode(SHARED / "data" / "drivers" / "d18.mp4")[1])
        points, _ = MediaPipe(str(MODEL)).detect([frame])
        error = np.linalg.norm(mean_shape.fit(topology.box(points[0])) - points[0], axis=-1)
        assert error.mean() / topology.inter_ocular(points[0]) < 0.06


class TestLandmarkSources:
    def character(self, landmarks=None):
        from charachbench.benchmark.types import Character

        image = np.full((80, 80, 3), 128, np.uint8)
        return Character("toad", "animal", "f", lambda: image, None if landmarks is None else lambda: landmarks)

    def test_mean_shape_sits_in_its_box(self):
        found = landmark_sources.MeanShape(box=(0.25, 0.5, 0.75, 1.0)).find(self.character()).points
        np.testing.assert_allclose(topology.box(found), [19.5, 39.5, 59.5, 79.5])

    def test_given(self):
        points = np.arange(136.0).reshape(68, 2)
        np.testing.assert_array_equal(landmark_sources.Given().find(self.character(points)).points, points)
        with pytest.raises(UserError, match=r"'toad': has no annotation; put .*toad\.npy"):
            landmark_sources.Given().find(self.character())

    @needs_model
    def test_mediapipe_without_a_face(self):
        with pytest.raises(UserError, match=r"character 'toad': MediaPipe finds no face.*landmarks=mean_shape"):
            landmark_sources.MediaPipe(str(MODEL)).find(self.character())

    @needs_model
    def test_mediapipe_is_known_by_package_and_weights(self, tmp_path):
        source = landmark_sources.MediaPipe(str(MODEL))
        source.prepare(tmp_path)
        assert source.fingerprint(self.character()) == MediaPipe(str(MODEL)).fingerprint
        with pytest.raises(UserError, match="face_landmarker"):  # before the first pair
            landmark_sources.MediaPipe(str(tmp_path / "nowhere.task")).prepare(tmp_path)

    def test_a_wrong_box(self):
        with pytest.raises(UserError, match=r"landmarks\.source\.box"):
            landmark_sources.MeanShape(box=(0.5, 0.1, 0.2, 0.9))


@pytest.mark.parametrize("path", sorted(CHARACTERS.glob("*.npy")), ids=lambda path: path.stem)
def test_our_annotations_are_faces(path):
    side = {"boy_3d": 852, "cat_3d": 1200, "llama_cartoon": 626, "shiba": 512, "terracotta": 725}[path.stem]
    points = sidecar.read(path, (side, side))
    parts = {name: points[part].mean(axis=0) for name, part in topology.PARTS.items()}
    assert parts["eyebrows"][1] < parts["eyes"][1] < parts["nose"][1] < parts["mouth"][1] < points[8, 1]
    mirrored = points[topology.MIRROR]
    off_midline = np.abs(points[:, 0] - mirrored[:, 0]) > 1
    right_half = np.isin(
        np.arange(68), [*range(8), *range(17, 22), 31, 32, *range(36, 42), 48, 49, 50, 58, 59, 60, 61, 67]
    )
    assert (points[right_half & off_midline, 0] < mirrored[right_half & off_midline, 0]).all()
