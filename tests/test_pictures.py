from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, JpegImagePlugin

from charachbench import pictures
from charachbench.errors import UserError
from charachbench.landmarks import drawing, mean_shape, topology

SHARED = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "characters"
ANNOTATIONS = Path(__file__).parent / "data" / "characters"
DOMAINS = dict.fromkeys(topology.PARTS, "animal")


def scene(height: int, width: int) -> np.ndarray:
    """A smooth picture, uint8 RGB."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    return np.stack([40 + 150 * x, 60 + 120 * y, 200 - 80 * x * y], axis=-1).round().astype(np.uint8)


def face(height: int, width: int) -> np.ndarray:
    return mean_shape.fit(np.array([0.25 * width, 0.3 * height, 0.75 * width, 0.8 * height]))


def clip(frames: int, height: int = 64, width: int = 64, blue: int = 90) -> np.ndarray:
    """Plain frames that say in red and green which they are, (T, H, W, 3)."""
    numbers = np.arange(frames)
    colours = np.stack([numbers // 16 * 16, numbers % 16 * 16, np.full(frames, blue)], axis=-1).astype(np.uint8)
    return np.broadcast_to(colours[:, None, None], (frames, height, width, 3))


def numbers(pixels: np.ndarray, blue: int = 90) -> list[int]:
    """Which frames of ``clip`` a row of pixels shows, from left to right."""
    shown = pixels[pixels[:, 2] == blue].astype(int)
    found = shown[:, 0] + shown[:, 1] // 16
    return found[np.r_[True, found[1:] != found[:-1]]].tolist()


def has(picture: np.ndarray, colour: tuple[int, int, int], tolerance: int = 0) -> bool:
    return bool((np.abs(picture.astype(int) - colour).max(axis=-1) <= tolerance).any())


@pytest.mark.parametrize("shape", [(256, 256), (300, 200), (90, 160)])
def test_an_overlay_shows_the_character_at_one_size(shape: tuple[int, int]) -> None:
    height, width = shape
    bare = pictures.overlay(scene(*shape), face(*shape), side=400)
    assert max(bare.shape[:2]) == 400
    assert bare.shape[0] / bare.shape[1] == pytest.approx(height / width, rel=0.01)
    with_legend = pictures.overlay(scene(*shape), face(*shape), DOMAINS, side=400)
    assert with_legend.shape[1] == bare.shape[1]
    assert with_legend.shape[0] > bare.shape[0]
    assert np.array_equal(with_legend[: bare.shape[0]], bare)


def test_an_overlay_at_its_own_size_is_the_drawing() -> None:
    image, points = scene(256, 256), face(256, 256)
    assert np.array_equal(pictures.overlay(image, points, side=256), drawing.draw(image, points))


def test_landmarks_move_with_the_picture() -> None:
    """The middle of a marked pixel is the middle of the same pixel enlarged."""
    image = np.full((64, 64, 3), 255, np.uint8)
    image[20, 37] = 0
    points = np.full((68, 2), np.nan)
    points[30] = 37, 20
    for side in (32, 64, 256, 300):
        marked = 255 - pictures.overlay(image, np.full((68, 2), np.nan), side=side).astype(float).mean(axis=-1)
        dot = np.abs(pictures.overlay(np.full_like(image, 255), points, side=side) - 255.0).mean(axis=-1)
        for axis in (0, 1):
            centres = [(np.indices(map_.shape)[axis] * map_).sum() / map_.sum() for map_ in (marked, dot)]
            assert centres[0] == pytest.approx(centres[1], abs=0.35)


def test_a_legend_colours_the_parts_that_it_names() -> None:
    def legend(captions: dict[str, str]) -> np.ndarray:
        return pictures.overlay(scene(256, 256), np.full((68, 2), np.nan), captions)[512:]

    for part, colour in drawing.COLOURS.items():
        assert has(legend({part: "toy"}), colour)
        assert not has(legend({"source": "toy"}), colour)
    assert not np.array_equal(legend({"eyes": "toy"}), legend({"eyes": "emoji"}))
    assert not np.array_equal(legend({"eyes": "toy"}), legend({"eyes": "toy", "mouth": "toy"}))


def test_a_long_text_is_shortened_to_the_picture() -> None:
    def legend(text: str) -> np.ndarray:
        return pictures.overlay(scene(256, 256), face(256, 256), {"eyes": text, "x" * 99: text})[512:]

    assert np.array_equal(legend("x" * 5000), legend("x" * 300))
    assert not np.array_equal(legend("x" * 300), legend("x" * 20))
    assert (legend("x" * 300)[:, -4:] == 255).all()


@settings(deadline=None, max_examples=25)
@given(st.dictionaries(st.text(max_size=30), st.text(st.characters(), max_size=300), min_size=1, max_size=8))
def test_any_text_can_be_a_caption(captions: dict[str, str]) -> None:
    picture = pictures.overlay(scene(32, 32), face(32, 32), captions, side=200)
    assert picture.dtype == np.uint8
    assert picture.shape[1:] == (200, 3)


@pytest.mark.parametrize(
    "text",
    ["日本語", "العربية", "हिन्दी", "😀👨‍👩‍👧", "\udc80", "two\nlines\r\n", "\x00\x1b[31m", "", "\u202eabc", "é" * 400],
)
def test_no_script_is_too_odd(text: str) -> None:
    picture = pictures.overlay(scene(64, 40), face(64, 40), {text: text, "eyes": text}, side=128)
    assert picture.shape[1:] == (80, 3)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 150), st.integers(1, 9))
def test_a_strip_shows_evenly_spread_frames(frames: int, columns: int) -> None:
    picture = pictures.strip(clip(frames), scene(32, 32), None, None, columns=columns, height=48)
    shown = numbers(picture[picture.shape[0] // 2])
    assert len(shown) == min(frames, columns)
    assert shown[0] == 0
    if columns > 1:
        assert shown[-1] == frames - 1
    steps = np.diff(shown)
    assert (steps > 0).all()
    assert not len(steps) or np.ptp(steps) <= 1


def test_rows_of_a_strip_show_the_same_frames_below_each_other() -> None:
    frames, points = 11, np.repeat(face(64, 64)[None], 11, axis=0)
    picture = pictures.strip(clip(frames), scene(64, 64), points, clip(frames, blue=33), columns=4, height=96)
    driver, result = picture[picture.shape[0] // 6], picture[-20]
    assert numbers(driver) == numbers(result, blue=33) == [0, 3, 7, 10]
    assert np.array_equal(driver[:, 2] == 90, result[:, 2] == 33)


def rows(picture: np.ndarray) -> int:
    """How many pictures lie below each other, by the white lines between them."""
    content = (picture[:, picture.shape[1] // 2] != 255).any(axis=-1)
    runs = np.flatnonzero(np.diff(np.r_[0, content.astype(int), 0]))
    return int((np.diff(runs)[::2] > 20).sum())


def test_a_strip_has_a_row_for_what_is_known() -> None:
    points, image, result = np.repeat(face(64, 64)[None], 3, axis=0), scene(64, 64), clip(3, blue=33)
    assert rows(pictures.strip(clip(3), image, points, result, columns=1)) == 3
    assert rows(pictures.strip(clip(3), image, points, None, columns=1)) == 2
    assert rows(pictures.strip(clip(3), image, None, result, columns=1)) == 2
    assert rows(pictures.strip(clip(3), image, None, None, columns=1)) == 1


def test_landmarks_are_drawn_on_the_dark_or_on_the_dimmed_character() -> None:
    image, points, result = np.full((64, 64, 3), 200, np.uint8), face(64, 64)[None], clip(1, blue=33)
    dark = pictures.strip(clip(1), image, points, result)
    dimmed = pictures.strip(clip(1), image, points, None)
    assert has(dark, drawing.EDGE)
    assert not has(dark, (70, 70, 70))
    assert has(dimmed, (70, 70, 70))
    with_driver = pictures.strip(clip(1), image, None, result, driver_landmarks=points)
    without = pictures.strip(clip(1), image, None, result)
    for part in ("boundary", "eyebrows", "eyes", "mouth"):  # the nose's colour is close to that of the paper
        assert all(has(picture, drawing.COLOURS[part], tolerance=40) for picture in (dark, dimmed, with_driver))
        assert not has(without, drawing.COLOURS[part], tolerance=40)


def test_landmarks_of_each_frame_are_shown() -> None:
    """On a canvas of the character's proportions, though the driver has others."""
    points = np.full((2, 68, 2), np.nan)
    points[0, 17:19] = (10, 20), (90, 20)
    points[1, 17:19] = (10, 30), (90, 30)
    picture = pictures.strip(clip(2, 64, 64), scene(40, 100), points, None, height=80)
    yellow = (picture[..., 0].astype(int) - picture[..., 2] > 60).nonzero()
    left = yellow[1] < picture.shape[1] / 2
    assert left.any()
    bottom = picture.shape[0] - 3  # the strip ends with a gap
    size = 142 * 40 / 100
    for here, y in ((left, 20), (~left, 30)):
        assert yellow[0][here].mean() == pytest.approx(bottom - size + (y + 0.5) / 40 * size - 0.5, abs=1.5)


@pytest.mark.parametrize(("driver", "character"), [((64, 64), (64, 64)), ((90, 160), (300, 100)), ((40, 400), (3, 1))])
def test_a_strip_is_a_modest_picture(driver: tuple[int, int], character: tuple[int, int]) -> None:
    points = np.repeat(face(*character)[None], 20, axis=0)
    picture = pictures.strip(clip(20, *driver), scene(*character), points, clip(20, *character))
    assert picture.shape[0] <= 3 * 192 + 50
    assert picture.shape[1] <= 6 * 192 * 16 / 9 + 60


def test_pictures_of_one_pixel_can_be_shown() -> None:
    points = np.repeat(face(1, 1)[None], 2, axis=0)
    assert pictures.strip(clip(2, 1, 1), scene(1, 1), points, clip(2, 1, 1), columns=1, height=1).size > 0
    assert pictures.overlay(scene(1, 500), face(1, 500), DOMAINS, side=1).shape[1] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"driver": clip(3).astype(float)}, r"picture of driver: must be uint8 RGB \(T, H, W, 3\), got float64"),
        ({"character": clip(3)}, r"picture of character: must be uint8 RGB \(H, W, 3\), got uint8 \(3, 64, 64, 3\)"),
        ({"result": clip(3)[..., :2]}, "picture of result"),
        ({"result": clip(2)}, "strip.result: has 2 frames, the driver 3; equal lengths are needed"),
        ({"landmarks": np.zeros((4, 68, 2))}, "strip.landmarks: has 4 frames, the driver 3"),
        ({"driver_landmarks": np.zeros((1, 68, 2))}, "strip.driver_landmarks: has 1 frames"),
        ({"landmarks": np.zeros((3, 5, 2))}, r"landmarks to draw are numbers \(68, 2\), got float64 \(5, 2\)"),
        ({"landmarks": np.zeros((3, 68, 3))}, r"landmarks to draw are numbers \(68, 2\), got float64 \(68, 3\)"),
        ({"columns": 0}, "columns must be at least 1, got 0"),
        ({"height": 0}, "height must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_shown_says_why(arguments: dict[str, object], message: str) -> None:
    given_ = {"driver": clip(3), "character": scene(64, 64), "landmarks": None, "result": None, **arguments}
    with pytest.raises(UserError, match=message):
        pictures.strip(**given_)  # type: ignore[arg-type]


def test_an_overlay_has_a_size() -> None:
    with pytest.raises(UserError, match="side must be at least 1, got 0"):
        pictures.overlay(scene(8, 8), face(8, 8), side=0)
    with pytest.raises(UserError, match="picture of image"):
        pictures.overlay(scene(8, 8)[0], face(8, 8))


def test_png_is_written_exactly(tmp_path: Path) -> None:
    picture = pictures.overlay(scene(256, 256), face(256, 256), DOMAINS)
    pictures.save(tmp_path / "overlay.PNG", picture)
    with Image.open(tmp_path / "overlay.PNG") as opened:
        assert opened.format == "PNG"
        assert np.array_equal(np.array(opened), picture)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg"])
def test_jpeg_is_small_and_keeps_thin_colours(suffix: str, tmp_path: Path) -> None:
    picture = pictures.overlay(scene(256, 256), face(256, 256), DOMAINS)
    path = tmp_path / f"overlay{suffix}"
    pictures.save(path, picture)
    with Image.open(path) as opened:
        assert opened.format == "JPEG"
        assert isinstance(opened, JpegImagePlugin.JpegImageFile)
        assert JpegImagePlugin.get_sampling(opened) == 0
        error = np.array(opened).astype(float) - picture
    assert 10 * np.log10(255**2 / np.mean(error**2)) > 35
    assert path.stat().st_size < 100_000


def test_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"overlay\.gif: .* accepted are names ending in \.jpg, \.jpeg, \.png"):
        pictures.save(tmp_path / "overlay.gif", scene(8, 8))
    with pytest.raises(UserError, match="picture of image"):
        pictures.save(tmp_path / "overlay.png", scene(8, 8) / 255)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not SHARED.is_dir(), reason="the example characters are not in this checkout")
def test_real_characters_can_be_shown(tmp_path: Path) -> None:
    for annotation in sorted(ANNOTATIONS.glob("*.npy")):
        with Image.open(SHARED / f"{annotation.stem}.jpg") as opened:
            image = np.array(opened.convert("RGB"))
        picture = pictures.overlay(image, np.load(annotation), DOMAINS)
        for colour in drawing.COLOURS.values():
            assert has(picture[: -80 if picture.shape[0] > 400 else None], colour)
