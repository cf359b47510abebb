"""Landmark matching against its plain definition, closed forms and recorded outputs of the reference."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch.nn import functional

from benchmarks.tps import face as plain_face
from charachbench.errors import UserError
from methods.faceshot import matching
from methods.faceshot.matching import CURVES, NOSE_LINE, match, regularise

SHARED = Path(__file__).parents[3].parent / "shared"
CASES = SHARED / "data" / "cases" / "regularise.npz"
SIDES = st.integers(1, 9)


def cosine_maps(
    features: np.ndarray, targets: np.ndarray, size: tuple[int, int], dtype: torch.dtype = torch.float64
) -> np.ndarray:
    """The definition: upsample every channel, normalise every pixel, multiply, (N, height, width)."""
    image = torch.tensor(features, dtype=dtype)[None]
    upsampled = torch.nn.Upsample(size=size, mode="bilinear", align_corners=False)(image)[0]
    pixels = functional.normalize(upsampled, dim=0).flatten(1)
    unit = functional.normalize(torch.tensor(targets, dtype=dtype))
    return (unit @ pixels).reshape(len(targets), *size).numpy()


def first_maxima(maps: np.ndarray) -> np.ndarray:
    index = maps.reshape(len(maps), -1).argmax(axis=1)
    return np.stack((index % maps.shape[2], index // maps.shape[2]), axis=1)


def random(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def smooth(seed: int, *shape: int) -> np.ndarray:
    channels, height, width = shape
    coarse = torch.tensor(random(seed, 1, channels, 3, 3))
    return functional.interpolate(coarse, size=(height, width), mode="bicubic")[0].numpy()


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from([random, smooth]),
    st.integers(0, 10_000),
    st.integers(2, 12),
    st.tuples(SIDES, SIDES),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
)
def test_it_is_the_first_arg_max_of_the_cosine(make, seed, channels, cells, size) -> None:
    features, targets = make(seed, channels, *cells), random(seed + 1, 5, channels)
    found = match(features, targets, size)
    assert found.dtype == np.float64
    maps = cosine_maps(features, targets, size)
    assert np.array_equal(found, first_maxima(maps.astype(np.float32)))


@pytest.mark.parametrize("make", [random, smooth])
@pytest.mark.parametrize(("cells", "size"), [((16, 16), (128, 128)), ((12, 20), (150, 97)), ((20, 20), (10, 33))])
def test_it_agrees_with_the_float32_way_beyond_float_noise(make, cells, size) -> None:
    features, targets = make(0, 320, *cells), random(1, 68, 320)
    found = match(features, targets, size).astype(int)
    plain = cosine_maps(features, targets, size, torch.float32)
    at_found = plain[np.arange(68), found[:, 1], found[:, 0]]
    best, second = np.sort(plain.reshape(68, -1), axis=1)[:, [-1, -2]].T
    assert (at_found > best - 1e-6).all()
    clear = best - second > 1e-6
    assert clear.mean() > 0.3
    assert np.array_equal(found[clear], first_maxima(plain)[clear])


def test_a_side_stands_for_a_square() -> None:
    features, targets = random(0, 8, 5, 7), random(1, 9, 8)
    assert np.array_equal(match(features, targets, 33), match(features, targets, (33, 33)))


def test_constant_features_are_matched_at_the_first_pixel() -> None:
    features = np.broadcast_to(random(0, 40, 1, 1), (40, 6, 5))
    assert (match(features, random(1, 20, 40), (50, 70)) == 0).all()


def test_the_first_pixel_of_a_plateau_at_the_border_wins() -> None:
    # Scale 16: from the middle of the last cell, (3 + 0.5) * 16 - 0.5 = 55.5, to the border nothing changes.
    features = random(0, 30, 4, 4)
    assert match(features, features[:, [3], [3]].T, 64).tolist() == [[56, 56]]
    assert match(features, features[:, [0], [0]].T, 64).tolist() == [[0, 0]]


def test_lengths_do_not_matter() -> None:
    features, targets = random(0, 12, 6, 6), random(1, 10, 12)
    found = match(features, targets, 48)
    for scale in (1e-30, 1e-6, 1e6):
        assert np.array_equal(match(features, targets.astype(np.float64) * scale, 48), found)
    for scale in (1e-8, 1e6):
        assert np.array_equal(match(features * np.float32(scale), targets, 48), found)


@pytest.mark.parametrize(("features", "targets"), [(0, 1), (1, 0), (0, 0)])
def test_what_has_no_direction_is_matched_at_the_first_pixel(features, targets) -> None:
    assert (match(features * random(0, 8, 4, 4), targets * random(1, 3, 8), 20) == 0).all()


def test_opposite_cells_leave_no_direction_between_them() -> None:
    for size in range(5, 30):
        weights = functional.interpolate(torch.eye(2)[None], size=size, mode="linear")[0]
        for pixel in range(1, size - 1):
            left, right = weights[:, pixel].numpy()
            if min(left, right) == 0:
                continue
            features = np.array([[[-right, left]], [[0, 0]]], dtype=np.float32)  # they cancel there, up to rounding
            assert match(features, np.array([[1, 0]]), (1, size)).tolist() == [[pixel + 1, 0]]
            assert match(features, np.array([[-1, 0]]), (1, size)).tolist() == [[0, 0]]


def test_vanishing_features_count_less_as_in_torch() -> None:
    features = np.array([[[1e-14, 0.5]], [[0, 0.8]]], dtype=np.float32)
    assert match(features, np.array([[1, 0]]), (1, 2)).tolist() == [[1, 0]]
    assert match(features * 1e4, np.array([[1, 0]]), (1, 2)).tolist() == [[0, 0]]


def test_no_targets_have_no_matches() -> None:
    assert match(random(0, 8, 4, 4), np.zeros((0, 8)), 16).shape == (0, 2)


@pytest.mark.parametrize("refine", [False, True])
def test_taking_targets_a_few_at_a_time_changes_nothing(monkeypatch, refine) -> None:
    features, targets = random(0, 16, 6, 7), random(1, 23, 16)
    at_once = match(features, targets, 40, refine)
    for chunk in (1, 3 * 40 * 40):
        monkeypatch.setattr(matching, "CPU_CHUNK", chunk)
        assert match(features, targets, 40, refine) == pytest.approx(at_once, abs=1e-9)


def test_devices_without_float64_leave_it_to_the_cpu() -> None:
    features, targets = random(0, 16, 6, 7), random(1, 5, 16)
    assert np.array_equal(match(features, targets, 40, device="mps"), match(features, targets, 40))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("make", [random, smooth])
def test_a_gpu_finds_what_the_cpu_finds(make) -> None:
    features, targets = make(0, 320, 16, 16), random(1, 68, 320)
    on_gpu = match(features, targets, 128, refine=True, device="cuda")
    assert on_gpu == pytest.approx(match(features, targets, 128, refine=True), abs=1e-6)


def at_angle(cosines: np.ndarray) -> np.ndarray:
    """Features whose cosine with (1, 0) is as given."""
    return np.stack((cosines, np.sqrt(1 - cosines**2)))


@settings(deadline=None, max_examples=30)
@given(st.floats(-0.49, 0.49), st.floats(-0.49, 0.49), st.floats(0.1, 1), st.floats(0.1, 1), st.floats(-0.5, 0.5))
def test_refinement_finds_the_peak_of_a_paraboloid(dx, dy, bend_x, bend_y, twist) -> None:
    y, x = np.mgrid[:9, :11].astype(float)
    x, y = x - 5 - dx, y - 4 - dy
    twist *= 2 * np.sqrt(bend_x * bend_y)
    features = at_angle(0.9 - 1e-3 * (bend_x * x**2 + bend_y * y**2 + twist * x * y))
    whole = match(features, np.array([[1, 0]]), (9, 11))
    refined = match(features, np.array([[1, 0]]), (9, 11), refine=True)
    expected = whole + np.clip(np.array([5 + dx, 4 + dy]) - whole, -0.5, 0.5)
    assert refined == pytest.approx(expected, abs=1e-6)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.tuples(SIDES, SIDES), st.tuples(st.integers(1, 30), st.integers(1, 30)))
def test_refinement_stays_within_half_a_pixel_and_leaves_the_border_alone(seed, cells, size) -> None:
    features, targets = random(seed, 6, *cells), random(seed + 1, 8, 6)
    whole, refined = match(features, targets, size), match(features, targets, size, refine=True)
    assert (np.abs(refined - whole) <= 0.5).all()
    border = ((whole == 0) | (whole == np.array(size[::-1]) - 1)).any(axis=1)
    assert np.array_equal(refined[border], whole[border])


def test_refinement_leaves_a_saddle_alone() -> None:
    cosines = np.full((5, 5), -0.9)
    cosines[1:4, 1:4] = [[0.79, 0.6, -0.9], [0.5, 0.8, 0.6], [-0.9, 0.6, 0.79]]
    assert match(at_angle(cosines), np.array([[1, 0]]), 5, refine=True).tolist() == [[2, 2]]


@pytest.mark.parametrize(
    ("features", "targets", "size", "message"),
    [
        (np.ones((8, 4)), np.ones((3, 8)), 16, r"features have shape \(8, 4\)"),
        (np.ones((8, 0, 4)), np.ones((3, 8)), 16, r"features have shape \(8, 0, 4\)"),
        (np.ones((8, 4, 4)), np.ones(8), 16, r"targets have shape \(8,\)"),
        (np.ones((8, 4, 4)), np.ones((3, 6)), 16, "targets have 6 channels, the features 8: the gallery was made"),
        (np.full((8, 4, 4), np.nan), np.ones((3, 8)), 16, "some features are not finite"),
        (np.ones((8, 4, 4)), np.full((3, 8), np.inf), 16, "some targets are not finite"),
        (np.ones((8, 4, 4)), np.ones((3, 8)), (16, 0), r"size=\(16, 0\)"),
    ],
)
def test_wrong_input_is_named(features, targets, size, message) -> None:
    with pytest.raises(UserError, match=message):
        match(features, targets, size)


def face(seed: int = 0, noise: float = 5) -> np.ndarray:
    """68 whole-pixel landmarks of a plain face, shaken."""
    return np.round(plain_face(512) + np.random.default_rng(seed).normal(0, noise, (68, 2)))


def with_curve(curve: tuple[int, ...], points: np.ndarray) -> np.ndarray:
    landmarks = face()
    landmarks[list(curve)] = points
    return landmarks


@pytest.mark.skipif(not CASES.exists(), reason="shared/data/cases/regularise.npz is not there")
def test_it_regularises_exactly_as_the_reference() -> None:
    with np.load(CASES) as cases:
        names = [name.removesuffix("/matched") for name in cases if name.endswith("/matched")]
        assert len(names) == 12
        for name in names:
            matched, expected = cases[f"{name}/matched"], cases[f"{name}/expected"]
            assert np.array_equal(regularise(matched), expected), name
            assert np.array_equal(regularise(matched + 0.3), expected), name


def test_regularise_leaves_its_input_alone() -> None:
    points = face()
    before = points.copy()
    assert not np.array_equal(regularise(points), before)
    assert np.array_equal(points, before)


@settings(deadline=None, max_examples=80)
@given(
    st.one_of(
        arrays(np.int64, (68, 2), elements=st.integers(-3, 3)),
        arrays(np.int64, (68, 2), elements=st.integers(0, 512)),
        arrays(np.float64, (68, 2), elements=st.floats(-1e6, 1e6)),
    )
)
def test_anything_regularised_is_whole_and_keeps_its_ends(points) -> None:
    regular = regularise(points)
    assert np.isfinite(regular).all()
    assert np.array_equal(regular, np.round(regular))
    ends = sorted({end for curve in CURVES for end in (curve[0], curve[-1])})
    assert np.array_equal(regular[ends], np.round(points)[ends])
    assert regular[27, 1] == round(points[27, 1])


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(0, 500), st.integers(0, 500))
def test_regularising_moves_with_the_face(seed, x, y) -> None:
    points, shift = face(seed) + 100, np.array([x, y])
    assert np.array_equal(regularise(points + shift), regularise(points) + shift)


def test_points_on_an_ellipse_are_spread_evenly_in_its_angle() -> None:
    def at(angle: np.ndarray) -> np.ndarray:
        local = np.stack((900 * np.cos(angle), 500 * np.sin(angle)), axis=1)
        turn = np.array([[np.cos(0.4), np.sin(0.4)], [-np.sin(0.4), np.cos(0.4)]])
        return 2000 + local @ turn

    uneven = np.pi * (np.linspace(0, 1, 17) ** 1.5 - 1.1)
    regular = regularise(with_curve(CURVES[0], at(uneven)))[:17]
    even = at(np.linspace(uneven[0], uneven[-1], 17))
    assert np.abs(regular - even).max() < 4  # of whole pixels, and a fit to whole pixels


@pytest.mark.parametrize("curve", [curve for curve in CURVES[1:] if 33 not in curve])
def test_points_on_a_circle_are_spread_evenly_on_it(curve) -> None:
    def at(angle: np.ndarray) -> np.ndarray:
        return 2000 + 900 * np.stack((np.cos(angle), np.sin(angle)), axis=1)

    uneven = 3 + 2 * np.linspace(0, 1, len(curve)) ** 2
    regular = regularise(with_curve(curve, at(uneven)))[list(curve)]
    assert np.abs(regular - at(np.linspace(3, 5, len(curve)))).max() < 4


@pytest.mark.parametrize("curve", [curve for curve in CURVES if 33 not in curve])
@pytest.mark.parametrize("step", [(20, 0), (0, 20), (20, -10), (-7, 3), (0, 0)])
def test_points_on_a_line_are_spread_evenly_on_it(curve, step) -> None:
    even = np.array([271, 199]) + np.arange(len(curve))[:, None] * np.array(step)
    uneven = even.copy()
    uneven[1] = even[0]
    assert np.array_equal(regularise(with_curve(curve, uneven))[list(curve)], even)


@pytest.mark.parametrize("curve", [curve for curve in CURVES if len(curve) == 4])
@pytest.mark.parametrize("y", range(0, 40, 3))
def test_whole_points_that_are_even_already_stay(curve, y) -> None:
    even = 200 + np.array([[-17, -y], [y, -17], [17, y], [-y, 17]])
    assert np.array_equal(regularise(with_curve(curve, even))[list(curve)], even)


def test_a_boundary_that_fits_no_ellipse_is_not_thrown_out_of_the_picture() -> None:
    for seed in range(100):
        rng = np.random.default_rng(seed)
        corners = 100 + 300 * rng.integers(0, 2, (17, 2))
        two_rows = np.stack((100 + 20 * np.arange(17), rng.integers(300, 302, 17)), axis=1)
        for points in (corners, two_rows):
            regular = regularise(with_curve(CURVES[0], points))[:17]
            assert np.abs(regular - points).max() < 2 * np.ptp(points, axis=0).max()


def test_the_nose_is_a_line_with_the_slope_of_its_points() -> None:
    points = face(noise=0)
    points[31:36] = [[236, 310], [246, 310], [256, 310], [266, 310], [276, 310]]
    y = np.array([250, 265, 270, 280])
    points[27:31] = np.stack((256 + 2 * (y - 310), y), axis=1)
    expected = [[136, 250], [166, 265], [196, 280], [226, 295], [256, 310]]
    assert regularise(points)[list(NOSE_LINE)].tolist() == expected


def test_a_nose_without_height_stays() -> None:
    points = face(noise=0)
    points[27:36, 1] = 300
    points[31:36, 0] = [236, 246, 256, 266, 276]
    assert np.array_equal(regularise(points)[27:36], points[27:36])


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_the_fitted_ellipse_is_that_of_opencv(seed) -> None:
    rng = np.random.default_rng(seed)
    angle = np.sort(rng.uniform(0, 4, 17))
    points = np.stack((2 * np.cos(angle), np.sin(angle)), axis=1) + rng.normal(0, 0.02, (17, 2))
    fit = matching._ellipse(points)
    assert fit is not None
    (x, y), diameters, _ = cv2.fitEllipseDirect(points.astype(np.float32))
    assert fit[0] == pytest.approx([x, y], abs=1e-3)
    assert sorted(fit[1]) == pytest.approx(sorted(np.array(diameters) / 2), rel=1e-3)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.zeros((67, 2)), r"shape \(67, 2\)"),
        (np.full((68, 2), np.nan), "not finite"),
        (np.full((68, 2), 1e7), "a million pixels out"),
    ],
)
def test_landmarks_that_are_none_are_named(points, message) -> None:
    with pytest.raises(UserError, match=message):
        regularise(points)
