import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from charachbench.errors import Unscored, UserError
from charachbench.landmarks.detectors import MediaPipe
from charachbench.protocols import Metric, Sample
from charachbench.video import Video, decode
from metrics.expression import ExpressionError, PoseError, rotation_angle
from tests.metrics import samples

SHARED = Path(__file__).parents[2].parent / "shared"
MODEL = SHARED / "models" / "face_landmarker.task"
needs_model = pytest.mark.skipif(not MODEL.is_file(), reason="the face landmarker is not in ../shared/models")
FRAMES = 6


def clip(first: int) -> Video:
    """Frames that are all of one grey level each, so that the fake detector knows them."""
    return Video(np.stack([np.full((8, 8, 3), first + t, np.uint8) for t in range(FRAMES)]), 25)


@pytest.fixture
def faces(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[int]]:
    """A detector that reads expression and pose off a frame's grey level, and finds no face in the ``lost`` ones."""
    seen: dict[str, list[int]] = {"lost": [], "first": []}

    def expressions(self: MediaPipe, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        levels = frames[:, 0, 0, 0].astype(float)
        seen["first"].append(int(levels[0]))
        strengths = levels[:, None] / 255 * np.linspace(0, 1, 52)
        turns = 3.0 * Rotation.from_euler("xyz", levels[:, None] * [1, 0.5, -0.3], degrees=True).as_matrix()
        lost = np.isin(levels, seen["lost"])
        strengths[lost], turns[lost] = np.nan, np.nan
        return strengths, turns

    monkeypatch.setattr(MediaPipe, "expressions", expressions)
    monkeypatch.setattr(MediaPipe, "fingerprint", "fake")
    return seen


def pair(made: int = 10, truth: int = 10, driver: int = 10) -> Sample:
    return samples.sample(clip(made), truth=clip(truth), driver_video=clip(driver))


def test_equal_videos_do_not_differ(faces: dict[str, list[int]]) -> None:
    for reference in ("truth", "driver"):
        for metric in (ExpressionError(reference), PoseError(reference)):
            assert metric.extract(pair()) == pytest.approx(np.zeros(FRAMES), abs=1e-5)


def test_known_differences(faces: dict[str, list[int]]) -> None:
    sample = pair(made=10, truth=20, driver=50)
    assert ExpressionError("truth").extract(sample) == pytest.approx(10 / 255 * 0.5)
    assert ExpressionError("driver").extract(sample) == pytest.approx(40 / 255 * 0.5)
    levels = np.arange(FRAMES)[:, None]
    made, wanted = (Rotation.from_euler("xyz", (first + levels) * [1, 0.5, -0.3], degrees=True) for first in (10, 50))
    angle = np.degrees((made.inv() * wanted).magnitude())
    assert PoseError("driver").extract(sample) == pytest.approx(angle)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.floats(0.1, 10), st.floats(1e-4, 179.9))
def test_the_angle_is_that_of_scipy(seed: int, scale: float, degrees: float) -> None:
    first = Rotation.random(4, rng=seed)
    axis = np.random.default_rng(seed).normal(size=3)
    second = Rotation.from_rotvec(degrees * axis / np.linalg.norm(axis), degrees=True) * first
    found = rotation_angle(scale * first.as_matrix(), second.as_matrix())
    assert found == pytest.approx(np.full(4, degrees), rel=1e-5, abs=1e-7)
    assert rotation_angle(second.as_matrix(), first.as_matrix()) == pytest.approx(found)


def test_each_video_is_looked_at_once(faces: dict[str, list[int]]) -> None:
    first, second = pair(10, 20, 30), pair(11, 20, 30)
    second.references = first.references
    for sample in (first, second):
        for reference in ("truth", "driver"):
            for metric in (ExpressionError(reference), PoseError(reference)):
                metric.extract(sample)
    assert sorted(faces["first"]) == [10, 11, 20, 30]


def test_frames_without_a_face_are_left_out_up_to_a_share(faces: dict[str, list[int]]) -> None:
    faces["lost"] = [10, 12, 14]
    assert ExpressionError().extract(pair(10, 20)) == pytest.approx(np.full(3, 10 / 255 * 0.5))
    with pytest.raises(Unscored, match="no face found in 3 of 6 frames$"):
        ExpressionError(min_found=0.6).extract(pair(10, 20))
    faces["lost"] = [20, 21, 22, 23, 24]
    with pytest.raises(Unscored, match="no face found in 5 of 6 frames of the truth"):
        PoseError().extract(pair(10, 20))
    assert PoseError(min_found=0.1).extract(pair(10, 20)).shape == (1,)
    faces["lost"] = [*range(10, 16)]
    with pytest.raises(Unscored, match="no face found in 6 of 6 frames$"):
        PoseError(min_found=0).extract(pair(10, 20))
    faces["lost"] = [10, 11, 12, 23, 24, 25]
    with pytest.raises(Unscored, match="no frame shows a face both in the video and in the truth"):
        PoseError().extract(pair(10, 20))


def test_what_cannot_be_compared_says_why(faces: dict[str, list[int]]) -> None:
    sample = pair()
    sample.made = Video(sample.video.frames[:4], 25)
    with pytest.raises(Unscored, match="the video has 4 frames, the truth 6"):
        ExpressionError().extract(sample)
    with pytest.raises(Unscored, match="the video has 4 frames, the driver 6"):
        ExpressionError("driver").extract(sample)
    with pytest.raises(Unscored, match="the true video is not known"):
        ExpressionError().extract(samples.sample(clip(3)))


@pytest.mark.parametrize("setting", ["min_found", "min_confidence"])
def test_shares_are_shares(setting: str) -> None:
    with pytest.raises(UserError, match=f"{setting}=2: accepted are numbers from 0 to 1"):
        PoseError(**{setting: 2})  # type: ignore[arg-type]


def test_missing_weights_show_on_loading(tmp_path: Path) -> None:
    metric = ExpressionError(weights=str(tmp_path / "none.task"))
    with pytest.raises(UserError, match=r"none\.task"):
        metric.load("cpu")


@pytest.mark.parametrize("metric", [ExpressionError(), PoseError("driver")])
def test_the_footnote_needs_no_weights(metric: Metric) -> None:
    assert metric.protocol()["weights"] == "64184e22"
    assert metric.protocol()["reference"] in ("truth", "driver")
    assert (metric.family, metric.direction) == ("motion", "down")


def frames_of_driver(indices: range) -> np.ndarray:
    _, frames = decode(SHARED / "data" / "drivers" / "d18.mp4")
    return np.stack(
        [
            cv2.resize(frame, (192, 192), interpolation=cv2.INTER_AREA)
            for index, (_, frame) in zip(range(indices.stop), frames, strict=False)
            if index in indices
        ]
    )


@needs_model
def test_equals_mediapipe_asked_directly() -> None:
    """As ``jieun-b/portrait-eval-pipeline`` asks it, and with the angle between rotations by their trace."""
    import mediapipe
    from mediapipe.tasks import python
    from mediapipe.tasks.python import vision

    frames = frames_of_driver(range(0, 40, 10))
    made, true = frames[:2], frames[2:]
    options = vision.FaceLandmarkerOptions(
        base_options=python.BaseOptions(model_asset_buffer=MODEL.read_bytes()),
        output_face_blendshapes=True,
        output_facial_transformation_matrixes=True,
        num_faces=1,
    )
    shapes, turns = [], []
    with vision.FaceLandmarker.create_from_options(options) as landmarker:
        for frame in frames:
            found = landmarker.detect(mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=frame))
            shapes.append([shape.score for shape in found.face_blendshapes[0]])
            turns.append(np.array(found.facial_transformation_matrixes[0].data).reshape(4, 4)[:3, :3])
            assert found.face_blendshapes[0][0].category_name == "_neutral"
    strengths = np.array(shapes)
    rotations = [turn / np.linalg.norm(turn, axis=0) for turn in turns]
    angles = [
        np.degrees(np.arccos((np.trace(a.T @ b) - 1) / 2)) for a, b in zip(rotations, rotations[2:], strict=False)
    ]

    before = os.fstat(2)
    sample = samples.sample(Video(made, 25), truth=Video(true, 25))
    expression = ExpressionError(weights=str(MODEL)).extract(sample)
    pose = PoseError(weights=str(MODEL)).extract(sample)
    assert expression == pytest.approx(np.abs(strengths[:2] - strengths[2:]).mean(axis=1), rel=1e-5)
    assert expression.min() > 1e-3
    assert pose == pytest.approx(angles, rel=1e-3)
    assert pose.min() > 0.1
    assert os.fstat(2) == before


@needs_model
def test_black_frames_show_no_face() -> None:
    black = Video(np.zeros((2, 64, 64, 3), np.uint8), 25)
    with pytest.raises(Unscored, match="no face found in 2 of 2 frames$"):
        ExpressionError(weights=str(MODEL)).extract(samples.sample(black, truth=black))
