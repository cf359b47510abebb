import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.color import deltaE_ciede2000, rgb2lab

from charachbench.errors import UserError
from charachbench.landmarks import mean_shape, topology
from charachbench.landmarks.drawing import COLOURS, EDGE, draw

SIZE = 96
DICHROMACY = {
    "none": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
"""On linear RGB: Machado, Oliveira and Fernandes, IEEE TVCG 15(6), 2009, severity 1."""


def linear(colour: tuple[int, int, int]) -> np.ndarray:
    share = np.array(colour) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    rgb = np.clip(rgb, 0, 1)
    return rgb2lab(np.where(rgb <= 0.0031308, rgb * 12.92, 1.055 * rgb ** (1 / 2.4) - 0.055))


def canvas(value: int = 0, size: int = SIZE) -> np.ndarray:
    return np.full((size, size, 3), value, np.uint8)


def face(size: int = SIZE) -> np.ndarray:
    return mean_shape.fit(np.array([0.2, 0.2, 0.8, 0.8]) * size)


def only(places: dict[int, tuple[float, float]]) -> np.ndarray:
    """All points unknown but these."""
    points = np.full((68, 2), np.nan)
    for index, place in places.items():
        points[index] = place
    return points


def changed(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Where something was drawn, bool (H, W)."""
    return (draw(image, points) != image).any(axis=-1)


def distance_to_face(points: np.ndarray) -> np.ndarray:
    """Of each pixel to the nearest point or line, (SIZE, SIZE): what drawing shall look like, by geometry alone."""
    points = np.where(np.isfinite(points).all(axis=-1, keepdims=True), points, np.nan)
    pixels = np.stack(np.meshgrid(np.arange(SIZE), np.arange(SIZE)), axis=-1).astype(float)
    nearest = np.full((SIZE, SIZE), np.inf)
    for point in points:
        nearest = np.fmin(nearest, np.linalg.norm(pixels - point, axis=-1))
    for run, closed in topology.POLYLINES:
        line = points[run]
        for a, b in zip(line, np.roll(line, -1, axis=0) if closed else line[1:], strict=False):
            along = np.clip((pixels - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
            nearest = np.fmin(nearest, np.linalg.norm(pixels - a - along[..., None] * (b - a), axis=-1))
    return nearest


@pytest.mark.parametrize("vision", DICHROMACY)
def test_colours_differ_for_any_eye(vision: str) -> None:
    seen = {part: lab(np.array(DICHROMACY[vision]) @ linear(colour)) for part, colour in COLOURS.items()}
    for one, other in itertools.combinations(seen, 2):
        assert deltaE_ciede2000(seen[one], seen[other]) > 20, (one, other)


def test_colours_stand_out_from_their_edge() -> None:
    """At least 4.5 to 1, as WCAG 2 asks of text."""
    luminance = np.array([0.2126, 0.7152, 0.0722])
    dark = linear(EDGE) @ luminance
    assert list(COLOURS) == list(topology.PARTS)
    for part, colour in COLOURS.items():
        assert (linear(colour) @ luminance + 0.05) / (dark + 0.05) > 4.5, part


@settings(deadline=None, max_examples=15)
@given(
    st.integers(0, 10_000),
    st.sampled_from([0, 128, 255]),
    st.sets(st.integers(0, 67)),
    st.sampled_from([np.nan, np.inf, -np.inf]),
)
def test_drawn_is_what_lies_near_a_point_or_a_line_and_nothing_else(
    seed: int, ground: int, unknown: set[int], value: float
) -> None:
    points = np.random.default_rng(seed).uniform(-20, SIZE + 20, (68, 2))
    points[list(unknown), seed % 2] = value
    drawn, distance = changed(canvas(ground), points), distance_to_face(points)
    assert drawn[distance < 0.4].all()
    assert not drawn[distance > 5].any()


def test_of_nothing_known_nothing_is_drawn() -> None:
    assert not changed(canvas(90), np.full((68, 2), np.nan)).any()


def test_the_picture_itself_is_left_alone() -> None:
    image = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)
    before = image.copy()
    image.setflags(write=False)
    drawn = draw(image, face())
    assert drawn.dtype == np.uint8
    assert drawn.shape == image.shape
    assert np.array_equal(image, before)
    assert np.array_equal(draw(image[:, ::-1], face()), draw(image[:, ::-1].copy(), face()))


@settings(deadline=None, max_examples=25)
@given(st.floats(20, 70), st.floats(20, 70), st.integers(0, 67), st.sampled_from([SIZE, 512]))
def test_dots_lie_where_their_points_are_to_a_quarter_pixel(x: float, y: float, index: int, size: int) -> None:
    weight = draw(canvas(0, size), only({index: (x, y)}))[:90, :90].astype(float).sum(axis=-1)
    rows, columns = np.indices(weight.shape)
    assert (columns * weight).sum() / weight.sum() == pytest.approx(x, abs=0.25)
    assert (rows * weight).sum() / weight.sum() == pytest.approx(y, abs=0.25)


@pytest.mark.parametrize("part", topology.PARTS)
def test_each_part_has_its_colour(part: str) -> None:
    for index in range(68)[topology.PARTS[part]]:
        assert tuple(draw(canvas(255), only({index: (60, 60)}))[60, 60]) == COLOURS[part]


@pytest.mark.parametrize(
    ("one", "other", "joined"),
    [(36, 41, True), (42, 47, True), (48, 59, True), (60, 67, True), (16, 15, True), (30, 31, False), (0, 16, False),
     (16, 17, False), (21, 22, False), (41, 42, False), (17, 21, False), (48, 60, False)],
)  # fmt: skip
def test_lines_join_neighbours_of_a_line(one: int, other: int, joined: bool) -> None:
    drawn = changed(canvas(255), only({one: (30, 64), other: (80, 64)}))
    assert drawn[64, 30]
    assert drawn[64, 80]
    assert drawn[64, 40:70].all() == joined
    assert drawn[64, 40:70].any() == joined


def test_lines_lie_where_their_points_are_to_a_quarter_pixel() -> None:
    for y in (64, 64.25, 64.5, 64.75):
        drawn = draw(canvas(), only({17: (20, y), 18: (80, y)}), dots=False)[:, 50].astype(float).sum(axis=-1)
        assert (np.arange(SIZE) * drawn).sum() / drawn.sum() == pytest.approx(y, abs=0.25)


def test_without_dots_only_lines_are_drawn() -> None:
    alone = only({17: (30, 64)})
    assert changed(canvas(255), alone)[64, 30]
    assert (draw(canvas(255), alone, dots=False) == 255).all()
    assert draw(canvas(255), face(), dots=False).min() < 255


@settings(deadline=None, max_examples=20)
@given(st.floats(200, 1e300), st.integers(0, 3))
def test_a_face_outside_of_the_image_is_not_seen(away: float, turns: int) -> None:
    direction = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])[turns]
    assert not changed(canvas(90), face() + direction * away).any()


def test_a_line_is_cut_off_at_the_border() -> None:
    drawn = changed(canvas(255), only({17: (-1000, 64), 18: (5000, 64)}))
    assert drawn[64].all()
    assert not drawn[:55].any()


def test_lines_are_as_wide_as_suits_the_image() -> None:
    def width(size: int) -> float:
        middle = size / 2
        image = draw(canvas(0, size), only({17: (size * 0.1, middle), 18: (size * 0.9, middle)}), dots=False)
        return image[:, size // 2].max(axis=-1).sum() / 255

    assert 1 <= width(SIZE) < 2
    assert width(2048) == pytest.approx(2 * width(1024), rel=0.25)


@pytest.mark.parametrize("size", [(1, 1), (3, 400), (400, 3)])
def test_images_of_any_size_can_be_drawn_on(size: tuple[int, int]) -> None:
    image = np.full((*size, 3), 255, np.uint8)
    assert draw(image, face()).shape == image.shape


@pytest.mark.parametrize(
    ("image", "points", "message"),
    [
        (canvas().astype(float), face(), r"uint8 RGB image \(H, W, 3\), got float64 \(96, 96, 3\)"),
        (canvas()[..., 0], face(), r"got uint8 \(96, 96\)"),
        (canvas()[:0], face(), r"got uint8 \(0, 96, 3\)"),
        (canvas(), face()[:67], r"numbers \(68, 2\), got float64 \(67, 2\)"),
        (canvas(), face().astype(str), r"numbers \(68, 2\)"),
    ],
)
def test_other_arrays_are_refused(image: np.ndarray, points: np.ndarray, message: str) -> None:
    with pytest.raises(UserError, match=message):
        draw(image, points)
