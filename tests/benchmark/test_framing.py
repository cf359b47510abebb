from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from charachbench.benchmark.framing import Framing, Window
from charachbench.benchmark.images import read_image
from charachbench.benchmark.sampling import Sampling
from charachbench.errors import UserError


def blob(height: int, width: int, x: float, y: float, sigma: float) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    image = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))
    return np.repeat(np.rint(image).astype(np.uint8)[:, :, None], 3, axis=2)


def centroid(image: np.ndarray) -> np.ndarray:
    weights = image[:, :, 0].astype(float)
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    return np.array([(columns * weights).sum(), (rows * weights).sum()]) / weights.sum()


@settings(deadline=None, max_examples=60)
@given(
    crop=st.sampled_from(["centre", "none", "face"]),
    size=st.integers(48, 300),
    height=st.integers(90, 240),
    width=st.integers(90, 240),
    x=st.floats(-8, 8),
    y=st.floats(-8, 8),
)
def test_a_dot_lands_where_its_landmark_does(crop, size, height, width, x, y):
    dot = np.array([width / 2 + x, height / 2 + y])
    face = dot + np.array([[-25, -25], [25, 25], [0, 0]])
    window = Framing(size, crop).window((height, width), face)
    framed = window.image(blob(height, width, *dot, sigma=4))
    assert framed.shape == (size, size, 3)
    assert framed.dtype == np.uint8
    np.testing.assert_allclose(centroid(framed), window.points(dot), atol=0.1)


def test_the_pixel_centre_rule_in_closed_form():
    window = Window(left=10, top=20, side=50, size=100)
    np.testing.assert_allclose(
        window.points(np.array([[10.0, 20.0], [59, 69], [9.5, 19.5]])), [[0.5, 0.5], [98.5, 98.5], [-0.5, -0.5]]
    )


def test_the_whole_picture_is_padded_with_its_edge_and_not_distorted():
    image = np.zeros((20, 40, 3), np.uint8)
    image[0], image[-1] = 50, 90
    window = Framing(40, "none").window((20, 40))
    framed = window.image(image)
    assert (framed[:11] == 50).all()
    assert (framed[29:] == 90).all()
    np.testing.assert_array_equal(framed[10:30], image)


def test_equal_size_changes_nothing():
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    np.testing.assert_array_equal(Framing(64, "centre").window((64, 64)).image(image), image)


def test_shrinking_is_antialiased():
    image = np.indices((256, 256)).sum(axis=0) % 2 * 255
    framed = Framing(64, "centre").window((256, 256)).image(np.repeat(image.astype(np.uint8)[:, :, None], 3, axis=2))
    assert np.abs(framed[4:-4, 4:-4].astype(int) - 127).max() <= 3


def test_a_face_crop_encloses_all_landmarks_and_leaves_room():
    points = np.random.default_rng(1).uniform(40, 90, (5, 68, 2))
    mapped = Framing(128, "face").window((200, 300), points).points(points)
    assert mapped.min() > 128 * 0.15
    assert mapped.max() < 128 * 0.85


class TestReadImage:
    def save(self, path: Path, image: Image.Image, **options) -> Path:
        image.save(path, **options)
        return path

    def test_exif_rotation(self, tmp_path):
        pixels = np.zeros((20, 30, 3), np.uint8)
        pixels[:10, :10] = 255
        image = Image.fromarray(pixels)
        exif = Image.Exif()
        exif[0x0112] = 6  # turn clockwise by 90 degrees to see it upright
        path = self.save(tmp_path / "a.png", image, exif=exif)
        np.testing.assert_array_equal(read_image(path), np.rot90(pixels, -1))

    def test_alpha_is_laid_on_the_background(self, tmp_path):
        pixels = np.zeros((4, 4, 4), np.uint8)
        pixels[..., 0], pixels[:, 1, 3], pixels[:, 2:, 3] = 200, 128, 255
        read = read_image(self.save(tmp_path / "a.png", Image.fromarray(pixels)), (0, 0, 100))
        assert read[0, 0].tolist() == [0, 0, 100]
        assert read[0, 1].tolist() == pytest.approx([100, 0, 50], abs=1)
        assert read[0, 3].tolist() == [200, 0, 0]

    @pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "CMYK"])
    def test_modes(self, tmp_path, mode):
        ramp = Image.fromarray(np.repeat(np.array([[0, 255]], np.uint8), 2, axis=0))
        source = ramp.convert("RGB").convert(mode) if mode != "LA" else ramp.convert("LA")
        read = read_image(self.save(tmp_path / ("a.jpg" if mode == "CMYK" else "a.png"), source))
        assert read.shape == (2, 2, 3)
        assert read[0, 0].max() < 60
        assert read[0, 1].min() > 195

    @pytest.mark.parametrize("channels", [1, 3, 4])
    def test_sixteen_bits(self, tmp_path, channels):
        import cv2

        values = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
        image = np.stack([values, values[::-1], values.T, np.full_like(values, 65535)][:channels], axis=-1)
        cv2.imwrite(str(tmp_path / "a.png"), image)  # OpenCV writes blue first
        expected = (image >> 8).astype(np.uint8)
        expected = np.repeat(expected, 3, axis=2) if channels == 1 else expected[..., 2::-1]
        np.testing.assert_array_equal(read_image(tmp_path / "a.png"), expected)

    def test_palette_with_transparency(self, tmp_path):
        image = Image.new("P", (3, 3), 0)
        image.putpalette([10, 20, 30, 200, 100, 50])
        image.putpixel((1, 1), 1)
        read = read_image(self.save(tmp_path / "a.png", image, transparency=0))
        assert read[0, 0].tolist() == [255, 255, 255]
        assert read[1, 1].tolist() == [200, 100, 50]

    @pytest.mark.parametrize(("ending", "kind"), [(".webp", "WEBP"), (".jpg", "PNG"), (".png", "JPEG")])
    def test_content_decides_over_the_ending(self, tmp_path, ending, kind):
        path = self.save(tmp_path / f"a{ending}", Image.new("RGB", (17, 31), (250, 0, 0)), format=kind)
        read = read_image(path)
        assert read.shape == (31, 17, 3)
        assert read[5, 5, 0] > 240

    @pytest.mark.parametrize("content", [b"", b"no picture", b"GIF89a" + bytes(50), None])
    def test_what_is_no_picture(self, tmp_path, content):
        path = tmp_path / "a.png"
        if content is None:  # a picture cut off in the middle
            noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
            Image.fromarray(noise).save(path)
            content = path.read_bytes()[:4000]
        path.write_bytes(content)
        with pytest.raises(
            UserError, match=r"a\.png: cannot be read as a picture; accepted are whole PNG, JPEG and WebP"
        ):
            read_image(path)


class TestSampling:
    def select(self, times, rate, **options):
        return [index for index, _ in Sampling(**options).select(((time, None) for time in times), rate)]

    @settings(deadline=None)
    @given(
        gaps=st.lists(st.integers(1, 200), min_size=0, max_size=40),
        fps=st.sampled_from([7.0, 10.0, 25.0, 30.0, 60.0]),
        start=st.integers(0, 300),
        stride=st.integers(1, 4),
    )
    def test_the_frame_on_display(self, gaps, fps, start, stride):
        times = np.concatenate([[0], np.cumsum(gaps)]) / 100  # variable frame rate
        end = times[-1] + 1 / 25
        wanted = start / 100 + np.arange(3000) * stride / fps
        wanted = wanted[wanted < end - 1e-3]
        expected = [int(np.flatnonzero(times <= time + 1e-3 + 1e-12)[-1]) for time in wanted]
        borderline = any(np.abs(np.abs(times - time) - 1e-3).min() < 1e-9 for time in wanted)
        got = self.select(times, 25, fps=fps, start=start / 100, stride=stride)
        assert borderline or got == expected

    def test_same_rate_takes_every_frame_also_where_times_are_rounded_to_milliseconds(self):
        times = [round(index / 30, 3) for index in range(200)]
        assert self.select(times, 30, fps=30.0) == list(range(200))

    @settings(deadline=None)
    @given(count=st.integers(1, 50), start=st.integers(0, 60), stride=st.integers(1, 5), limit=st.integers(1, 60))
    def test_every_source_frame(self, count, start, stride, limit):
        got = self.select([i / 25 for i in range(count)], 25, start=start / 25, stride=stride, max_frames=limit)
        assert got == list(range(start, count, stride))[:limit]

    def test_half_and_double_rate(self):
        times = [i / 30 for i in range(6)]
        assert self.select(times, 30, fps=15.0) == [0, 2, 4]
        assert self.select(times, 30, fps=60.0) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]

    def test_no_more_is_read_than_needed(self):
        read = []

        def frames():
            for index in range(1000):
                read.append(index)
                yield index / 25, None

        assert len(list(Sampling(max_frames=4, stride=2).select(frames(), 25))) == 4
        assert len(read) == 7

    @pytest.mark.parametrize(
        "options", [{"fps": 0.0}, {"fps": float("nan")}, {"start": -1.0}, {"stride": 0}, {"max_frames": 0}]
    )
    def test_wrong_options_are_named(self, options):
        with pytest.raises(UserError, match=rf"benchmark\.{next(iter(options))}=.*accepted are"):
            Sampling(**options)


def test_wrong_size_is_named():
    with pytest.raises(UserError, match=r"benchmark\.size=4: accepted are"):
        Framing(4, "centre")


def test_frames_are_in_natural_order(tmp_path):
    from charachbench.benchmark.files import frames_in

    for name in ("f10.png", "f2.png", "f1.png", ".f0.png", "notes.txt", "F3.PNG"):
        (tmp_path / name).touch()
    numbers = [int("".join(filter(str.isdigit, path.name))) for path in frames_in(tmp_path)]
    assert all(first < second for first, second in pairwise(numbers))
    assert numbers == [1, 2, 3, 10]
