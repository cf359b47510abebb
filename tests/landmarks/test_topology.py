from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from charachbench.landmarks import topology

CASES = Path(__file__).parents[2].parent / "shared" / "data" / "cases" / "retargeting.npz"

faces = arrays(np.float64, (68, 2), elements=st.floats(-1e3, 1e3))


def test_parts_cover_every_point_once_and_in_order() -> None:
    indices = np.arange(topology.COUNT)
    assert np.concatenate([indices[part] for part in topology.PARTS.values()]).tolist() == indices.tolist()


def test_lines_cover_every_point_once() -> None:
    indices = np.arange(topology.COUNT)
    drawn = np.concatenate([indices[part] for part, _ in topology.POLYLINES])
    assert sorted(drawn.tolist()) == indices.tolist()
    assert [indices[part][0] for part, closed in topology.POLYLINES if closed] == [36, 42, 48, 60]


def test_mirror_is_its_own_inverse_and_keeps_parts() -> None:
    indices = np.arange(topology.COUNT)
    assert np.array_equal(topology.MIRROR[topology.MIRROR], indices)
    for part in topology.PARTS.values():
        assert set(topology.MIRROR[part]) == set(indices[part])
    assert set(topology.MIRROR[topology.RIGHT_EYE]) == set(indices[topology.LEFT_EYE])
    on_the_axis = (8, 27, 28, 29, 30, 33, 51, 57, 62, 66)
    assert tuple(np.flatnonzero(indices == topology.MIRROR)) == on_the_axis


def test_mirror_of_a_nearly_frontal_face_lies_close_to_the_face() -> None:
    """The permutation against a real face: a wrong pair of indices would put a point far from its mirror image."""
    if not CASES.is_file():
        pytest.skip(f"needs {CASES.name} in ../shared")
    face = np.load(CASES)["d18_boy/character"]
    mirrored = face[topology.MIRROR] * (-1, 1)
    mirrored += (face - mirrored).mean(axis=0)
    assert np.linalg.norm(face - mirrored, axis=1).max() < 0.25 * topology.inter_ocular(face)


@given(faces)
def test_sizes_are_those_of_the_definition(points: np.ndarray) -> None:
    left, top, right, bottom = topology.box(points)
    width, height = right - left, bottom - top
    assert (points >= (left, top)).all()
    assert (points <= (right, bottom)).all()
    assert topology.box_size(points) == pytest.approx(np.sqrt(width * height))
    assert topology.box_diagonal(points) == pytest.approx(np.hypot(width, height))
    assert topology.inter_ocular(points) == pytest.approx(np.hypot(*(points[36] - points[45])))


@given(faces, st.floats(0.01, 100), st.floats(-100, 100))
def test_sizes_scale_with_the_face_and_ignore_where_it_is(points: np.ndarray, scale: float, shift: float) -> None:
    for size in (topology.inter_ocular, topology.box_size, topology.box_diagonal):
        assert size(points * scale + shift) == pytest.approx(scale * size(points), rel=1e-9, abs=1e-6)


def test_sizes_work_on_videos() -> None:
    video = np.random.default_rng(0).normal(size=(5, 68, 2))
    assert topology.inter_ocular(video).shape == topology.box_size(video).shape == (5,)
    assert topology.box(video).shape == (5, 4)
    assert np.array_equal(topology.box_diagonal(video)[2], topology.box_diagonal(video[2]))
