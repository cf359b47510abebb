"""AniPortrait's inputs against drawings by its own code of the whole face mesh of the same faces."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from charachbench.errors import UserError
from charachbench.landmarks.detectors import MESH
from charachbench.landmarks.topology import LEFT_EYE, MIRROR, MOUTH, RIGHT_EYE
from methods.animators import aniportrait
from methods.animators.aniportrait import POSE_CURVES, SIZE, pose_images, write_inputs

# Of two people at 480 x 480 and of one of them half out of the image: the 68 landmarks that stand for MediaPipe's mesh,
# and what FaceMeshVisualizer(forehead_edge=False) of AniPortrait at 7f6593f draws of the mesh's 478 points.
with np.load(Path(__file__).parent / "data" / "aniportrait.npz") as _kept:
    LANDMARKS, DRAWINGS = _kept["landmarks"], _kept["drawings"]
SIDE = 480

COLOURS = [curve.colour for curve in POSE_CURVES]
# Ends of AniPortrait's lines on the mesh (of an eye, its corners; of a brow, the upper line's ends), by colour.
MESH_ENDS = {
    (10, 200, 10): (127, 356),
    (180, 200, 10): (362, 263),
    (180, 220, 10): (336, 300),
    (10, 200, 180): (33, 133),
    (10, 220, 180): (70, 107),
    (10, 180, 20): (61, 17),
    (20, 10, 180): (17, 291),
    (100, 100, 30): (78, 14),
    (100, 150, 50): (14, 308),
    (20, 80, 100): (61, 0),
    (80, 100, 20): (0, 291),
    (120, 100, 200): (78, 13),
    (150, 120, 100): (13, 308),
}
EYES = ((180, 200, 10), (10, 200, 180))
BROWS = ((180, 220, 10), (10, 220, 180))
INNER_LIPS = ((100, 100, 30), (100, 150, 50), (120, 100, 200), (150, 120, 100))
# Pairs that mirroring exchanges
LEFT_AND_RIGHT = {COLOURS[a]: COLOURS[b] for a, b in ((1, 3), (2, 4), (5, 6), (7, 8), (9, 10), (11, 12))}


def face(side: int = SIZE) -> np.ndarray:
    """Landmarks (68, 2) of a face with an open mouth, in pixels of a square of that size."""
    return (LANDMARKS[1] + 0.5) * side / SIDE - 0.5


def picture(height: int = SIZE, width: int = SIZE) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // width, y * 255 // height, (x + y) % 256], axis=-1).astype(np.uint8)


def far(mask: np.ndarray) -> np.ndarray:
    """Distance of each pixel to the nearest one of ``mask``."""
    return cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)


def enlarged(part: slice) -> np.ndarray:
    """The face, so large and so placed that this part of it fills most of the picture."""
    points = face()
    scale = 0.8 * SIZE / np.ptp(points[part], axis=0).max()
    return np.asarray((points - points[part].mean(axis=0)) * scale + SIZE / 2)


def colours(drawings: np.ndarray) -> set[tuple[int, ...]]:
    codes = np.unique(drawings.reshape(-1, 3) @ np.array([1 << 16, 1 << 8, 1]))
    return {(code >> 16, code >> 8 & 255, code & 255) for code in codes.tolist()}


def painted(drawing: np.ndarray, colour: tuple[int, ...]) -> np.ndarray:
    return np.asarray((drawing == colour).all(axis=-1))


def as_upstream_reads(path: Path) -> tuple[np.ndarray, Fraction | None]:
    """A video of poses as AniPortrait's network gets it: frames in RGB by PyAV, channels turned round."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_rgb().to_ndarray() for packet in container.demux(stream) for frame in packet.decode()]
        return np.stack(frames)[..., ::-1], stream.average_rate


def test_colours_are_those_of_upstream() -> None:
    assert len(set(COLOURS)) == len(COLOURS)
    assert colours(DRAWINGS) == {*COLOURS, (0, 0, 0)}
    assert colours(pose_images(LANDMARKS, SIDE, SIDE)) == {*COLOURS, (0, 0, 0)}


def test_lines_end_where_upstreams_end() -> None:
    for curve in POSE_CURVES:
        ends = np.isin(MESH[list(curve.points)], MESH_ENDS[curve.colour])
        assert ends.sum() == (3 if curve.colour in EYES else 2), curve
        assert ends[0], curve
        assert ends[3 if curve.colour in EYES else -1], curve


def test_lines_lie_on_upstreams() -> None:
    """Within 4 pixels of 512, but for temples and the lower lines of brows, and where a wide mouth has 8 corners."""
    near_ours, near_theirs = [], []
    for ours, theirs in zip(pose_images(LANDMARKS[:4], SIDE, SIDE), DRAWINGS[:4], strict=True):
        for colour in COLOURS:
            mine, other = painted(ours, colour), painted(theirs, colour)
            if mine.any() and other.any():  # closed lips hide each other
                on_theirs, on_ours = far(other)[mine] <= 4, far(mine)[other] <= 4
                near_theirs.append(on_theirs)
                near_ours.append(on_ours)
                assert on_theirs.mean() > (0.55 if colour in INNER_LIPS else 0.98), colour
                assert on_ours.mean() > (0.5 if colour in (*BROWS, *INNER_LIPS) else 0.85), colour
                if colour in EYES:
                    assert far(other)[mine].mean() < 0.5
    assert np.concatenate(near_theirs).mean() > 0.97
    assert np.concatenate(near_ours).mean() > 0.8


def test_lines_that_end_outside_the_image_are_left_out_as_by_upstream() -> None:
    ours, theirs = pose_images(LANDMARKS[4:], SIDE, SIDE)[0], DRAWINGS[4]
    assert colours(ours) < colours(theirs)
    for colour in colours(ours) - {(0, 0, 0)}:
        assert (far(painted(theirs, colour))[painted(ours, colour)] <= 4).mean() > 0.6, colour
    # Had they been cut off instead, they would touch the picture's edge.
    assert not ours[:, :2].any()
    assert not theirs[:, :1].any()
    outside = face() - [[0, SIZE]]
    outside[:17] = [SIZE / 2, 1e300]
    assert not pose_images(outside[None], SIZE, SIZE).any()


@pytest.mark.parametrize("curve", POSE_CURVES, ids=lambda curve: str(curve.points[:2]))
def test_middles_of_lines_have_their_colour(curve: Any) -> None:
    points = enlarged(MOUTH) if curve.colour in COLOURS[5:] else face()
    drawing = pose_images(points[None], SIZE, SIZE)[0]
    for start, end in zip(curve.points[:-1], curve.points[1:], strict=True):
        x, y = np.floor((points[start] + points[end]) / 2 + 0.5).astype(int)
        assert painted(drawing[y - 1 : y + 2, x - 1 : x + 2], curve.colour).any()


def test_eyes_are_closed_loops() -> None:
    for colour, lids in zip(EYES, (LEFT_EYE, RIGHT_EYE), strict=True):
        points = enlarged(lids)
        drawing = pose_images(points[None], SIZE, SIZE)[0]
        _, regions = cv2.connectedComponents((~painted(drawing, colour)).astype(np.uint8), connectivity=4)
        x, y = points[lids].mean(axis=0).astype(int)
        assert regions[y, x] not in (0, regions[0, 0])


def test_mirroring_exchanges_left_and_right() -> None:
    drawing, mirrored = pose_images(np.stack([face(), ([SIZE - 1, 0] + face() * [-1, 1])[MIRROR]]), SIZE, SIZE)
    flipped, other = mirrored[:, ::-1], {**LEFT_AND_RIGHT, **{b: a for a, b in LEFT_AND_RIGHT.items()}}
    assert len(other) == 12
    for colour in COLOURS:
        mine, theirs = painted(drawing, colour), painted(flipped, other.get(colour, colour))
        assert far(theirs)[mine].max() <= 3, colour
    assert painted(drawing, EYES[0]).nonzero()[1].min() > painted(drawing, EYES[1]).nonzero()[1].max()


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_frames_are_drawn_alone_and_in_shares_of_the_image(seed: int) -> None:
    points = np.random.default_rng(seed).integers(-200, 1400, (3, 68, 2)) / 2.0  # halves, so that scaling is exact
    together = pose_images(points, SIZE, SIZE)
    np.testing.assert_array_equal(together[1:2], pose_images(points[1:2], SIZE, SIZE))
    np.testing.assert_array_equal(together[::-1], pose_images(points[::-1], SIZE, SIZE))
    squeezed = (points + 0.5) * [2, 0.5] - 0.5
    np.testing.assert_array_equal(together, pose_images(squeezed, SIZE // 2, SIZE * 2))


def test_middles_of_pixels_are_whole_numbers() -> None:
    points = np.full((1, 68, 2), -99.0)
    points[0, 17:22] = [(100, 200), (110, 200), (120, 200), (130, 200), (140, 200)]
    rows, columns = pose_images(points, SIZE, SIZE)[0].any(axis=-1).nonzero()
    assert set(rows) >= {200}
    assert abs(rows.mean() - 200) <= 0.5
    assert abs(columns.mean() - 120) <= 0.5


def test_other_sizes_are_resized_from_upstreams_own() -> None:
    small = pose_images(face()[None], SIZE, SIZE, size=256)[0]
    halved = pose_images(face()[None], SIZE, SIZE)[0].reshape(256, 2, 256, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(small, halved, atol=1)  # at half the size, linear interpolation is the mean of four
    assert small.any()


@pytest.mark.parametrize("frames", [1, 3])
def test_inputs_read_back_as_upstream_reads_them(tmp_path: Path, frames: int) -> None:
    moving = face() + np.arange(frames)[:, None, None]
    write_inputs(tmp_path / "a" / "b", picture(), face(), moving, 29.97)
    folder = tmp_path / "a" / "b"
    assert {path.name for path in folder.iterdir()} == {
        "reference.png",
        "reference_pose.png",
        "poses.mkv",
        "inputs.json",
    }
    poses, rate = as_upstream_reads(folder / "poses.mkv")
    np.testing.assert_array_equal(poses, pose_images(moving, SIZE, SIZE))
    assert rate is not None
    assert float(rate) == pytest.approx(29.97, rel=1e-3)
    reference_pose = cv2.imread(str(folder / "reference_pose.png"))
    np.testing.assert_array_equal(reference_pose, pose_images(face()[None], SIZE, SIZE)[0])
    np.testing.assert_array_equal(Image.open(folder / "reference.png"), picture())
    about = json.loads((folder / "inputs.json").read_text())
    assert about["frames"] == frames
    assert about["fps"] == 29.97
    assert about["image"] == {"height": SIZE, "width": SIZE}
    assert [tuple(curve["colour"]) for curve in about["curves"]] == COLOURS


def test_images_are_squashed_and_their_landmarks_with_them(tmp_path: Path) -> None:
    columns = np.random.default_rng(0).integers(0, 256, (1, 300, 3), np.uint8)
    oblong = (face() + 0.5) * [300 / SIZE, 200 / SIZE] - 0.5
    write_inputs(tmp_path, columns.repeat(200, axis=0), oblong, oblong[None], 25)
    shown = np.asarray(Image.open(tmp_path / "reference.png"))
    assert shown.shape == (SIZE, SIZE, 3)
    away = (np.arange(SIZE)[:, None] + 0.5) * 300 / SIZE - 0.5 - np.arange(300)
    lanczos = np.sinc(away) * np.sinc(away / 3) * (np.abs(away) < 3)
    expected = np.clip(lanczos / lanczos.sum(axis=1, keepdims=True) @ columns[0], 0, 255)
    np.testing.assert_allclose(shown, expected[None].repeat(SIZE, axis=0), atol=1)
    drawn = np.asarray(Image.open(tmp_path / "reference_pose.png"))
    square = pose_images(face()[None], SIZE, SIZE)[0]
    assert far(square.any(axis=-1))[drawn.any(axis=-1)].max() <= 1.5  # a pixel where rounding differs


def test_inputs_appear_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: Any, path: Path) -> None:
        path.write_bytes(b"half")
        raise RuntimeError("no encoder")

    with monkeypatch.context() as broken:
        broken.setattr(aniportrait, "write_lossless", fails)
        with pytest.raises(RuntimeError):
            write_inputs(tmp_path, picture(), face(), face()[None], 25)
    left = {path.name for path in tmp_path.iterdir()}
    assert left <= {"reference.png", "reference_pose.png"}
    write_inputs(tmp_path, picture(), face(), face()[None], 25)
    assert "inputs.json" in {path.name for path in tmp_path.iterdir()}


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file.*cannot be made"):
        write_inputs(tmp_path / "file", picture(), face(), face()[None], 25)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_landmarks_must_be_finite(tmp_path: Path, value: float) -> None:
    hole = face()[None].repeat(2, axis=0)
    hole[1, 5, 0] = value
    with pytest.raises(UserError, match="finite"):
        pose_images(hole, SIZE, SIZE)
    for source, landmarks in ((face(), hole), (hole[1], hole[:1])):
        with pytest.raises(UserError, match="finite"):
            write_inputs(tmp_path / "a", picture(), source, landmarks, 25)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("image", "source", "landmarks"),
    [
        (picture()[..., 0], face(), face()[None]),
        (picture(), face()[:67], face()[None]),
        (picture(), face(), face()),
        (picture(), face(), face()[None][:0]),
    ],
)
def test_bad_shapes(tmp_path: Path, image: np.ndarray, source: np.ndarray, landmarks: np.ndarray) -> None:
    with pytest.raises(UserError, match="aniportrait"):
        write_inputs(tmp_path, image, source, landmarks, 25)
    assert not list(tmp_path.iterdir())
