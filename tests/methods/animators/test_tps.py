"""The thin-plate-spline animator against SciPy, closed forms and what must never happen to a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import RBFInterpolator

from charachbench.errors import UserError
from methods.animators.tps import Tps, jacobian, thin_plate_spline

SHARED = Path(__file__).parents[3].parent / "shared"
SIZE = 160


def ellipse(x: float, y: float, width: float, height: float, start: float, stop: float, count: int) -> np.ndarray:
    angle = np.radians(np.linspace(start, stop, count))
    return np.stack((x + width * np.cos(angle), y + height * np.sin(angle)), axis=1)


def face(size: int = SIZE, gap: float = 0.0) -> np.ndarray:
    """68 landmarks of a plain face; ``gap`` is how far its lips are apart, in shares of the image's size."""
    parts = [
        ellipse(0.5, 0.5, 0.24, 0.27, 180, 0, 17),
        *(ellipse(x, 0.47, 0.075, 0.05, 200, 340, 5) for x in (0.39, 0.61)),
        np.stack((np.full(4, 0.5), np.linspace(0.49, 0.58, 4)), axis=1),
        ellipse(0.5, 0.595, 0.035, 0.015, 180, 0, 5),
        *(ellipse(x, 0.5, 0.04, 0.018, 180, 480, 6) for x in (0.39, 0.61)),
        ellipse(0.5, 0.67, 0.08, 0.03 + gap / 2, 180, 510, 12),
        ellipse(0.5, 0.67, 0.07, gap / 2, 180, 495, 8),
    ]
    return np.concatenate(parts) * size


def picture(size: int = SIZE) -> np.ndarray:
    y, x = np.mgrid[:size, :size] * (160 / size)
    waves = [np.sin(x / 5) * np.cos(y / 7), np.sin((x + y) / 9), np.cos(x / 11 - y / 6)]
    return np.round(np.stack(waves, axis=-1) * 90 + 128).astype(np.uint8)


def moved(source: np.ndarray, seed: int, amount: float, frames: int = 1, wander: float = 0.1) -> np.ndarray:
    """A head that shifts, turns and grows by about ``amount``; each landmark also wanders by ``wander`` of that."""
    random = np.random.default_rng(seed)
    size = np.ptp(source[:17, 0])
    centre = source.mean(axis=0)
    factor = 1 + amount * (random.normal(size=frames) + 1j * random.normal(size=frames)) / 2
    shift = amount * size / 3 * random.normal(size=(frames, 1, 2))
    flat = (source - centre) @ [1, 1j] * factor[:, None]
    apart = wander * amount * size * random.normal(size=(frames, 68, 2))
    return centre + np.stack((flat.real, flat.imag), axis=-1) + shift + apart


def field(animator: Tps, source: np.ndarray, landmarks: np.ndarray, size: int = SIZE) -> torch.Tensor:
    return animator.displacement(torch.tensor(source), torch.tensor(landmarks), size, size)[0]


@pytest.mark.parametrize("smoothing", [0.0, 3.0])
def test_spline_equals_scipy(smoothing: float) -> None:
    random = np.random.default_rng(0)
    points, values = random.uniform(0, 100, (2, 40, 2)), random.normal(0, 5, (2, 40, 2))
    positions = random.uniform(-20, 120, (500, 2))
    weight = torch.full((2, 40), smoothing, dtype=torch.float64)
    spline = thin_plate_spline(torch.tensor(points), torch.tensor(values), weight, scale=50.0)
    ours, coarser = (spline(torch.tensor(positions, dtype=kind)).numpy() for kind in (torch.float64, torch.float32))
    for batch in range(2):
        reference = RBFInterpolator(points[batch], values[batch], kernel="thin_plate_spline", smoothing=smoothing)
        np.testing.assert_allclose(ours[batch], reference(positions), atol=1e-8)
        np.testing.assert_allclose(coarser[batch], reference(positions), atol=1e-2)


def test_jacobian_of_linear_maps() -> None:
    y, x = torch.meshgrid(torch.arange(5.0) * 2, torch.arange(6.0) * 3, indexing="ij")
    maps = torch.tensor([[[0.5, 0.2], [0.1, -0.3]], [[-2.0, 0.0], [0.0, 0.0]]])
    linear = torch.stack((x, y), dim=-1) @ maps.mT[:, None]
    expected = torch.linalg.det(maps + torch.eye(2))
    found = jacobian(linear, torch.tensor([3.0, 2.0]))
    np.testing.assert_allclose(found, expected[:, None, None].expand(2, 4, 5), rtol=1e-5)
    assert expected[1] < 0


def test_same_landmarks_give_the_character_bit_for_bit() -> None:
    source = face()
    landmarks = np.stack((source, moved(source, 0, 0.2)[0], source))
    frames = Tps().render(picture(), source, landmarks)
    assert frames.dtype == np.uint8
    np.testing.assert_array_equal(frames[0], picture())
    np.testing.assert_array_equal(frames[2], picture())
    assert (frames[1] != picture()).any()


def test_crossed_landmarks_that_stay_give_the_character_bit_for_bit() -> None:
    source = face()
    source[[61, 67]], source[[37, 41]] = source[[67, 61]] + [0, 1], source[[41, 37]]
    np.testing.assert_array_equal(Tps().render(picture(), source, source[None])[0], picture())


def test_dots_land_on_their_landmarks() -> None:
    source = face(256)
    target = source.copy()
    target[17:27] -= [0, 6]
    target[4:13] += [0, 9]
    target[48:68] += [3, 5]
    y, x = np.mgrid[:256, :256]
    for index in (8, 4, 12, 19, 24, 30, 36, 45, 57):
        dot = 250 * np.exp(-((x - source[index, 0]) ** 2 + (y - source[index, 1]) ** 2) / (2 * 1.5**2))
        image = np.repeat(np.round(dot)[..., None], 3, axis=-1).astype(np.uint8)
        weight = Tps().render(image, source, target[None])[0, ..., 0].astype(float)
        weight[weight < 5] = 0
        found = np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()
        assert np.abs(found - target[index]).max() < 1, index


def test_shift_by_whole_pixels_shifts_the_face() -> None:
    source = face()
    frame = Tps().render(picture(), source, source[None] + [4, -3])[0].astype(int)
    inside = (slice(60, 110), slice(55, 105))
    expected = np.roll(picture(), (-3, 4), axis=(0, 1))[inside]
    assert np.abs(frame[inside] - expected).max() <= 3


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), amount=st.floats(0, 0.5))
def test_nothing_folds_and_the_border_stays(seed: int, amount: float) -> None:
    source = face()
    found = field(Tps(paint_mouth=False), source, moved(source, seed, amount))[0].numpy()
    for edge in (found[0], found[-1], found[:, 0], found[:, -1]):
        assert np.abs(edge).max() < 1e-4
    places = np.stack(np.meshgrid(np.linspace(0, 159, 41), np.linspace(0, 159, 41)), axis=-1) + found
    assert places.min() > -1e-3
    assert places.max() < 159 + 1e-3
    # Every triangle that the cells' corners make keeps its orientation
    a, b, c, d = places[:-1, :-1], places[:-1, 1:], places[1:, 1:], places[1:, :-1]
    for p, q, r in ((a, b, d), (b, c, a), (c, d, b), (d, a, c)):
        assert (np.linalg.det(np.stack((q - p, r - p), axis=-1)) > 0).all()


@pytest.mark.parametrize("case", ["collapsed", "mirrored", "far_away", "upside_down", "out_of_the_image"])
def test_senseless_landmarks_still_give_a_picture_without_folds(case: str) -> None:
    source = face()
    target = {
        "collapsed": np.full_like(source, 80.0),
        "mirrored": [160, 0] + source * [-1, 1],
        "far_away": source + 1e9,
        "upside_down": 160 - source,
        "out_of_the_image": source + np.array([60, 0]),
    }[case]
    animator = Tps(paint_mouth=False)
    found = field(animator, source, target[None])
    assert torch.isfinite(found).all()
    assert (jacobian(found, torch.full((2,), 159 / 40)) > 0).all()
    frame = Tps().render(picture(), source, target[None])[0]
    np.testing.assert_array_equal(frame[[0, -1]], picture()[[0, -1]])


def test_landmarks_outside_the_image_hurt_nothing() -> None:
    source = face() + np.array([70, 0])
    frame = Tps().render(picture(), source, moved(source, 3, 0.2))[0]
    np.testing.assert_array_equal(frame[:, [0, -1]], picture()[:, [0, -1]])


def test_opening_closed_lips_shows_a_dark_mouth() -> None:
    image = np.full((SIZE, SIZE, 3), (220, 180, 160), np.uint8)
    closed, opened = face(), face(gap=0.08)
    painted = Tps().render(image, closed, opened[None])[0].astype(int)
    inside, outside = painted[104:110, 77:83], painted[60:90]
    assert inside.max() < 100
    np.testing.assert_array_equal(outside, image[60:90])
    plain = Tps(paint_mouth=False).render(image, closed, opened[None])[0]
    np.testing.assert_array_equal(plain, image)
    # The edge is soft: there are greys in between
    column = painted[90:125, 80].sum(axis=-1)
    assert ((column > inside.sum(axis=-1).max()) & (column < image[0, 0].sum())).any()


def test_a_mouth_that_is_open_already_is_not_painted() -> None:
    image, opened = picture(), face(gap=0.05)
    wider = face(gap=0.065)
    with_paint, without = (Tps(paint_mouth=on).render(image, opened, wider[None]) for on in (True, False))
    np.testing.assert_array_equal(with_paint, without)


def test_paint_grows_smoothly_with_the_gap() -> None:
    image = np.full((SIZE, SIZE, 3), 200, np.uint8)
    gaps = np.linspace(0, 0.05, 26)
    frames = Tps().render(image, face(), np.stack([face(gap=gap) for gap in gaps])).astype(float)
    dark = (200 - frames).sum(axis=(1, 2, 3))
    assert dark[0] == 0
    assert (np.diff(dark) >= 0).all()
    assert np.diff(dark).max() < 0.15 * dark[-1]


def test_closed_eyes_become_a_thin_line() -> None:
    image = np.full((256, 256, 3), 220, np.uint8)
    source = face(256)
    y, x = np.mgrid[:256, :256]
    for lids in (source[36:42], source[42:48]):
        centre = lids.mean(axis=0)
        image[((x - centre[0]) / 8) ** 2 + ((y - centre[1]) / 4) ** 2 < 1] = 20
    target = source.copy()
    for left, right in ((37, 41), (38, 40), (43, 47), (44, 46)):
        target[[left, right]] = target[[left, right]].mean(axis=0)
    frame = Tps().render(image, source, target[None])[0]
    area = (255 - frame.astype(float)).sum() - 35 * frame.size
    before = (255 - image.astype(float)).sum() - 35 * image.size
    assert 0 < area < 0.5 * before


def test_chunks_change_nothing() -> None:
    source = face()
    landmarks = moved(source, 1, 0.3, frames=7)
    landmarks[:, 65:68] += [0, 6]
    one, many = (Tps(chunk=chunk).render(picture(), source, landmarks).astype(int) for chunk in (1, 5))
    assert np.abs(one - many).max() <= 1


def test_nothing_is_random() -> None:
    source = face()
    target = moved(source, 1, 0.3, frames=2)
    one, other = (Tps().render(picture(), source, target, seed) for seed in (0, 1))
    np.testing.assert_array_equal(one, other)


def test_coarse_grid_is_near_the_dense_field() -> None:
    source = face(512)
    target = moved(source, 2, 0.1, wander=0.02)
    dense = field(Tps(grid_step=1), source, target, 512)
    coarse = field(Tps(), source, target, 512).permute(0, 3, 1, 2)
    upsampled = torch.nn.functional.interpolate(coarse, (512, 512), mode="bilinear", align_corners=True)
    error = (upsampled.permute(0, 2, 3, 1) - dense).norm(dim=-1)
    assert dense.norm(dim=-1).max() > 10
    assert error.quantile(0.99) < 0.1
    assert error.mean() < 0.02


@pytest.mark.parametrize("shape", [(97, 160), (160, 61), (40, 40)])
def test_any_size(shape: tuple[int, int]) -> None:
    image = np.ascontiguousarray(picture()[: shape[0], : shape[1]])
    source = face() * [shape[1] / SIZE, shape[0] / SIZE]
    frames = Tps(chunk=2).render(image, source, moved(source, 5, 0.2, frames=3))
    assert frames.shape == (3, *shape, 3)
    np.testing.assert_array_equal(frames[:, [0, -1]], np.repeat(image[None, [0, -1]], 3, axis=0))


def test_size_of_the_picture_hardly_matters() -> None:
    small, large = face(128), face(256)
    target = moved(small, 7, 0.2, wander=0.02)
    found = field(Tps(grid_step=2, smoothing=0.5), small, target, 128)
    twice = field(Tps(), large, target * 2, 256) / 2
    expected = torch.nn.functional.interpolate(
        twice.permute(0, 3, 1, 2), found.shape[1:3], mode="bilinear", align_corners=True
    )
    assert (found - expected.permute(0, 2, 3, 1)).norm(dim=-1).quantile(0.99) < 0.3


def test_real_retargeted_landmarks_are_followed() -> None:
    path = SHARED / "data" / "cases" / "retargeting.npz"
    if not path.is_file():
        pytest.skip("needs ../shared/data/cases/retargeting.npz")
    with np.load(path) as cases:
        source, landmarks = cases["d18_boy/character"], cases["d18_boy/expected"][5:95:15]
    size = 512
    found, shown = Tps().displacement(torch.tensor(source), torch.tensor(landmarks), size, size)
    places = shown / (size - 1) * 2 - 1
    at = torch.nn.functional.grid_sample(found.permute(0, 3, 1, 2), places.float()[:, None], align_corners=True)
    error = (at[:, :, 0].mT + shown - torch.tensor(source)).norm(dim=-1)
    assert error.median() < 0.2
    assert error.quantile(0.95) < 2
    # Held inside the image and in order, most landmarks stay where they were asked to be
    assert np.quantile(np.abs(shown.numpy() - landmarks), 0.95) < 2


def bad_inputs() -> list[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    image, source, landmarks = picture(), face(), face()[None].repeat(3, axis=0)
    hole = landmarks.copy()
    hole[1, 5, 0] = np.nan
    endless = source.copy()
    endless[3] = np.inf
    return [
        ("uint8 RGB", image.astype(np.float32), source, landmarks),
        ("uint8 RGB", image[..., 0], source, landmarks),
        (r"\(68, 2\), got \(67, 2\)", image, source[:67], landmarks),
        (r"\(T, 68, 2\)", image, source, landmarks[0]),
        ("at least one frame", image, source, landmarks[:0]),
        ("frame 1 hold", image, source, hole),
        ("source landmarks hold", image, endless, landmarks),
        ("one place", image, np.full((68, 2), 50.0), landmarks),
    ]


@pytest.mark.parametrize(("message", "image", "source", "landmarks"), bad_inputs())
def test_bad_input(message: str, image: np.ndarray, source: np.ndarray, landmarks: np.ndarray) -> None:
    with pytest.raises(UserError, match=message):
        Tps().render(image, source, landmarks)


@pytest.mark.parametrize(
    ("name", "value"), [("smoothing", 0.0), ("smoothing", float("nan")), ("grid_step", 0), ("chunk", 0)]
)
def test_bad_arguments(name: str, value: float) -> None:
    with pytest.raises(UserError, match=name):
        Tps(**{name: value})  # type: ignore[arg-type]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_equals_cpu() -> None:
    source = face()
    landmarks = moved(source, 1, 0.2, frames=5)
    on_cpu = Tps().render(picture(), source, landmarks).astype(int)
    animator = Tps()
    animator.load("cuda")
    assert np.abs(animator.render(picture(), source, landmarks) - on_cpu).max() <= 2
