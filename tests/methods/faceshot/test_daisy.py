from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage.color import rgb2gray
from skimage.feature import daisy

import conf
from charachbench import config
from charachbench.errors import UserError
from methods.faceshot.features.base import Features
from methods.faceshot.features.daisy import Daisy
from methods.faceshot.gallery import vectors_at
from methods.faceshot.matching import match

PRESET = Path(conf.__file__).parent / "features" / "daisy.yaml"


def picture(seed: int, size: int = 126, detail: int = 12) -> np.ndarray:
    """Something smooth to look at: ``detail`` random cells along each side."""
    cells = np.random.default_rng(seed).integers(0, 256, (detail, detail, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(cells).resize((size, size), Image.Resampling.BICUBIC))


def blob(x: float, y: float, size: int = 126, sigma: float = 6) -> np.ndarray:
    """A bright spot on grey."""
    rows, columns = np.mgrid[:size, :size]
    bright = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))
    return np.repeat(np.round(40 + 200 * bright)[..., None], 3, axis=2).astype(np.uint8)


def cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Cell by cell, of maps (C, h, w)."""
    lengths = np.linalg.norm(first, axis=0) * np.linalg.norm(second, axis=0)
    found: np.ndarray = (first * second).sum(axis=0) / lengths
    return found


@pytest.mark.parametrize(("size", "step", "radius"), [(126, 3, 12), (60, 5, 7), (64, 1, 9)])
def test_equals_scikit_image_in_the_middle_of_cells(size: int, step: int, radius: int) -> None:
    image = picture(0, size)
    [features] = Daisy(size, step, (radius,), position=0).extract([image])
    every_pixel = daisy(
        rgb2gray(image), step=1, radius=radius, rings=3, histograms=8, orientations=4, normalization="l2"
    )
    cells = size // step
    assert features.shape == (every_pixel.shape[2], cells, cells)
    reach = 3 * radius  # the outermost ring, and its smoothing up to where it is cut off
    inside = [cell for cell in range(cells) if reach <= cell * step + step // 2 < size - reach]
    assert inside
    for row in inside:
        for column in inside:
            y, x = (cell * step + step // 2 - radius for cell in (row, column))
            assert features[:, row, column] == pytest.approx(every_pixel[y, x], abs=1e-4)


@settings(deadline=None, max_examples=5)
@given(st.integers(-3, 3), st.integers(-3, 3))
def test_what_moves_by_cells_moves_its_features_by_as_many(right: int, down: int) -> None:
    model = Daisy(radii=(9,), position=0)
    here, there = model.extract([blob(61, 64), blob(61 + 3 * right, 64 + 3 * down)])
    moved = np.roll(here, (down, right), axis=(1, 2))
    near_blob = (slice(None), slice(16, 26), slice(16, 26))
    assert there[near_blob] == pytest.approx(moved[near_blob], abs=1e-4)
    if right or down:
        assert np.abs(there - here)[near_blob].max() > 0.05


@pytest.mark.parametrize(("size", "step"), [(63, 3), (252, 3), (400, 7)])
def test_a_place_is_found_again_at_another_resolution(size: int, step: int) -> None:
    unit = size / 126
    place = np.array([57.0, 66.0])
    moved = (place + [7, -9] + 0.5) * unit - 0.5
    small, other = Daisy(step=step, radii=(9,), position=0).extract(
        [blob(57, 66), blob(moved[0], moved[1], size, 6 * unit)]
    )
    [found] = match(other, vectors_at(small, place[None], (126, 126)), size)
    assert found == pytest.approx(moved, abs=max(1, 0.5 * step * unit))


@pytest.mark.parametrize("position", [0.0, 1.5])
def test_an_image_finds_its_own_pixels(position: float) -> None:
    image = picture(3)
    points = np.random.default_rng(0).uniform(10, 115, (40, 2)).round()
    [features] = Daisy(position=position).extract([image])
    found = match(features, vectors_at(features, points, image.shape[:2]), 126)
    assert found == pytest.approx(points)


def test_features_do_not_depend_on_the_batch() -> None:
    images = [picture(seed, size) for seed, size in enumerate((126, 200, 50))]
    together = Daisy().extract(images)
    assert together.dtype == np.float32
    for image, features in zip(images, together, strict=True):
        assert np.array_equal(Daisy().extract([image])[0], features)


def test_features_do_not_depend_on_the_resolution() -> None:
    fine = picture(5, 504)
    coarse = np.asarray(Image.fromarray(fine).resize((252, 252), Image.Resampling.BICUBIC))
    first, second, other = Daisy(position=0).extract([fine, coarse, picture(6, 252)])
    assert cosines(first, second).min() > 0.995
    assert np.median(cosines(first, other)) < 0.95


def test_features_do_not_depend_on_brightness_and_contrast() -> None:
    image = picture(7)
    dull = np.round(60 + 0.5 * image).astype(np.uint8)
    first, second = Daisy().extract([image, dull])
    assert cosines(first, second).min() > 0.99


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 20), st.integers(0, 19), st.integers(0, 19))
def test_the_cosine_of_positions_falls_with_the_distance(cells: int, row: int, column: int) -> None:
    row, column = row % cells, column % cells
    [features] = Daisy(cells, 1, (1,), rings=1, position=1).extract([np.full((cells, cells, 3), 128, np.uint8)])
    places = features[-4:]
    cosine = np.einsum("c,chw->hw", places[:, row, column], places)
    dx, dy = np.abs(np.arange(cells) - column) / cells, np.abs(np.arange(cells) - row) / cells
    assert cosine == pytest.approx((np.cos(np.pi * dx) + np.cos(np.pi * dy)[:, None]) / 2, abs=1e-5)
    diagonal = np.diag(cosine, column - row), min(row, column)
    for line, middle in ((cosine[row], column), (cosine[:, column], row), diagonal):
        assert (np.diff(line[middle:]) < 0).all()
        assert (np.diff(line[: middle + 1]) > 0).all()


@pytest.mark.parametrize("position", [0.0, 0.5, 3.0])
def test_the_cosine_is_the_weighted_mean_of_descriptors_and_position(position: float) -> None:
    image = picture(8)
    cells = [(3, 7), (40, 2), (20, 20)]

    def cosine(model: Daisy) -> np.ndarray:
        [features] = model.extract([image])
        vectors = np.stack([features[:, row, column] for row, column in cells])
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        found: np.ndarray = vectors @ vectors.T
        return found

    scales = [cosine(Daisy(radii=(radius,), position=0)) for radius in (12, 24)]
    apart = (np.array(cells)[:, None] - np.array(cells)) / 42
    places = np.cos(np.pi * apart).mean(axis=-1)
    mixed = (np.mean(scales, axis=0) + position * places) / (1 + position)
    assert cosine(Daisy(position=position)) == pytest.approx(mixed, abs=1e-5)


def test_every_cell_of_a_plain_image_has_features_of_the_same_length() -> None:
    [features] = Daisy(position=2).extract([np.zeros((40, 40, 3), np.uint8)])
    assert np.linalg.norm(features, axis=0) == pytest.approx(np.sqrt(3), abs=1e-5)


def test_the_preset_has_the_defaults() -> None:
    preset = config.build(yaml.safe_load(PRESET.read_text()), "features", Features)
    assert preset.identity() == Daisy().identity()


def test_settings_decide_the_identity() -> None:
    assert Daisy(radii=[12, 24]).identity() == Daisy().identity()
    assert len({model.identity() for model in (Daisy(), Daisy(radii=(12,)), Daisy(position=1))}) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, r"features.size=0: accepted are whole numbers from 1"),
        ({"step": 2, "size": 128}, r"features.step=2: accepted are odd numbers"),
        ({"size": 128}, r"features.size=128: accepted are multiples of features.step=3"),
        ({"radii": ()}, r"features.radii=\[\]: accepted are one or more"),
        ({"radii": (12, 126)}, r"features.radii=\[12, 126\]: accepted are .* below features.size=126"),
        ({"radii": (2,)}, r"features.radii=\[2\]: accepted are .* from features.rings=3"),
        ({"rings": 0}, r"features.rings=0"),
        ({"histograms": 0}, r"features.histograms=0"),
        ({"orientations": -1}, r"features.orientations=-1"),
        ({"position": -0.1}, r"features.position=-0.1: accepted are numbers from 0"),
        ({"position": float("nan")}, r"features.position=nan"),
    ],
)
def test_wrong_settings_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Daisy(**options)


def test_guides_are_refused() -> None:
    with pytest.raises(UserError, match="take no guides"):
        Daisy().extract([picture(0)], np.ones((1, 4), np.float32))
