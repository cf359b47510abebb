"""Landmarks drawn as coloured lines, against OpenCV's own chains of lines and the lines' geometry."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.animators.drawing import Curve, draw

HEIGHT, WIDTH = 60, 80
RED, GREEN = (250, 10, 20), (10, 240, 30)


def landmarks(*points: tuple[float, float]) -> np.ndarray:
    """One frame whose first landmarks are ``points``; the others lie far away."""
    frame = np.full((1, 68, 2), -500.0)
    frame[0, : len(points)] = points
    return frame


def distance(places: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Of places (N, 2) to the segment between two points."""
    along = end - start
    share = np.clip((places - start) @ along / max(along @ along, 1e-9), 0, 1)
    return np.linalg.norm(places - start - share[:, None] * along, axis=1)


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10_000), thickness=st.integers(1, 4))
def test_a_line_lies_where_its_landmarks_are(seed: int, thickness: int) -> None:
    ends = np.random.default_rng(seed).integers(10, 50, (2, 2)).astype(float)
    picture = draw(landmarks(*ends), [Curve((0, 1), RED)], HEIGHT, WIDTH, thickness)[0]
    assert {tuple(colour) for colour in picture.reshape(-1, 3)} == {(0, 0, 0), RED}
    drawn = np.argwhere(picture.any(axis=-1))[:, ::-1]
    assert distance(drawn, ends[0], ends[1]).max() <= thickness / 2 + 1.5
    for place in np.linspace(ends[0], ends[1], 20):
        assert np.linalg.norm(drawn - place, axis=1).min() <= 1


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000), thickness=st.integers(1, 4))
def test_equals_opencv_on_whole_chains_and_each_frame_alone(seed: int, thickness: int) -> None:
    points = np.random.default_rng(seed).uniform(-40, 120, (3, 68, 2))
    curves = [Curve(tuple(range(17)), RED), Curve((*range(36, 42), 36), GREEN), Curve((60, 67, 66), (1, 2, 3))]
    drawn = draw(points, curves, HEIGHT, WIDTH, thickness)
    assert drawn.shape == (3, HEIGHT, WIDTH, 3)
    for frame, picture in zip(points, drawn, strict=True):
        expected = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        for curve in curves:
            chain = np.trunc(frame[list(curve.points)]).astype(np.int32)
            cv2.polylines(expected, [chain], False, curve.colour, thickness)
        np.testing.assert_array_equal(picture, expected)
        np.testing.assert_array_equal(picture, draw(frame[None], curves, HEIGHT, WIDTH, thickness)[0])


def test_later_curves_lie_above_earlier_ones() -> None:
    points = landmarks((10, 30), (70, 30), (40, 10), (40, 50))
    across, down = Curve((0, 1), RED), Curve((2, 3), GREEN)
    assert tuple(draw(points, [across, down], HEIGHT, WIDTH)[0, 30, 40]) == GREEN
    assert tuple(draw(points, [down, across], HEIGHT, WIDTH)[0, 30, 40]) == RED


@pytest.mark.parametrize("missing", [np.nan, np.inf])
def test_points_that_are_not_finite_are_left_out_with_their_lines(missing: float) -> None:
    points = landmarks((10, 10), (30, 10), (missing, 30), (30, 50), (10, 50))
    drawn = draw(points, [Curve((0, 1, 2, 3, 4), RED)], HEIGHT, WIDTH)
    np.testing.assert_array_equal(drawn, draw(points, [Curve((0, 1), RED), Curve((3, 4), RED)], HEIGHT, WIDTH))
    assert drawn[0, 10, 20].any()
    assert not drawn[0, 12:48].any()


def test_lines_that_leave_the_picture_are_cut_off() -> None:
    drawn = draw(landmarks((40, 30), (1e12, 30), (-1e12, -1e12)), [Curve((0, 1), RED), Curve((2, 2), GREEN)], 60, 80)
    assert (drawn[0, 30, 40:] == RED).all()
    assert not drawn[0, :, :38].any()


def test_no_frames_give_no_pictures() -> None:
    assert draw(np.empty((0, 68, 2)), [Curve((0, 1), RED)], HEIGHT, WIDTH).shape == (0, HEIGHT, WIDTH, 3)
