"""Bombs and traps: files that say more than they hold, lead elsewhere, or are worse than they look."""

import contextlib
import io
import os
import struct
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charachbench import untrusted, video
from charachbench.benchmark.clips import Clip
from charachbench.benchmark.files import check_name
from charachbench.benchmark.folder import Folder
from charachbench.benchmark.framing import Framing
from charachbench.benchmark.images import read_image
from charachbench.benchmark.sampling import Sampling
from charachbench.errors import UserError
from charachbench.landmarks.detectors import Given
from tests.fakes import clip
from tests.fuzz.corpus import _benchmark


def header(text: str) -> bytes:
    padded = text.encode() + b" " * (53 - len(text) % 64 % 54) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded


@contextlib.contextmanager
def allocating_little() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (10**5, 10**6)}"), "its header"),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (100000, 1000000)}") + bytes(80), "80 bytes follow"),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (-2, -5)}") + bytes(80), "80 bytes follow"),
        (header("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}") + b"cos\nsystem\n.", "it holds object"),
        (header("{'descr': '<U9', 'fortran_order': False, 'shape': (1,)}") + bytes(36), "it holds <U9"),
        (header("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,)}") + bytes(8), "it holds"),
        (header("(" * 5000), "its header"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}", "its header"),
        (b"\x80\x04cos\nsystem\n.", "its header"),
        (b"PK\x03\x04", "its header"),
        (b"", "its header"),
    ],
)
def test_arrays_are_what_their_headers_say(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(data)
    with allocating_little(), pytest.raises(UserError, match=f"x.npy: cannot be read as a NumPy file .*{message}"):
        untrusted.read_array(path)


@pytest.mark.parametrize("array", [np.zeros((2, 3)), np.float32(1), np.zeros((0, 4)), np.asfortranarray(np.eye(3, 4))])
def test_arrays_come_back(tmp_path: Path, array: Any) -> None:
    np.save(tmp_path / "x.npy", array)
    found = untrusted.read_array(tmp_path / "x.npy")
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype
    if array.ndim:
        assert untrusted.read_length(tmp_path / "x.npy") == len(array)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.npy")
    with pytest.raises(UserError, match="x.npy: is no file"):
        untrusted.read_array(tmp_path / "x.npy")
    with pytest.raises(UserError, match="x.npy: is no file"):
        untrusted.read_json(tmp_path / "x.npy")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "NaN",
        "[1e999]",
        "[-1e999]",
        "1" * 400 + ".0",
        "9" * 5000,
        '"\\ud800"',
        "\x00",
        "",
        "{",
        '{"a": 1} x',
    ],
)
def test_json_is_strict(text: str) -> None:
    with pytest.raises(UserError, match="x: cannot be read as JSON"):
        untrusted.parse_json(text, "x")


def test_json_is_read() -> None:
    assert untrusted.parse_json('{"a": [1, -0.5, 1e300, null, "\\ud83d\\ude00"]}', "x") == {
        "a": [1, -0.5, 1e300, None, "😀"]
    }


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(40_000, 40_000), (10_000, 10_000), (30_000, 10), (2**31 - 1, 2**31 - 1)])
def test_a_picture_is_refused_by_its_header(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png(*size))
    message = "bomb.png: (is .* pixels large; accepted are|cannot be read as a picture)"
    with allocating_little(), pytest.raises(UserError, match=message):
        read_image(path)


class TestVideos:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        video.write_preview(clip("a", 6), tmp_path / "a.mp4")
        return tmp_path / "a.mp4"

    def test_large_frames_are_refused_by_the_header(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(untrusted, "MAX_PIXELS", 1000)
        monkeypatch.setattr(
            "av.container.input.InputContainer.decode", lambda *_: pytest.fail("was decoded"), raising=False
        )
        with pytest.raises(UserError, match="a.mp4: is 32 x 32 pixels large"):
            video.read(path)

    def test_large_frames_are_refused_by_the_decoder(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(untrusted, "MAX_PIXELS", 1000)
        monkeypatch.setattr(untrusted, "check_size", lambda *_: None)  # as if the header lied
        with pytest.raises(UserError, match="a.mp4: cannot be decoded as video"):
            video.read(path)

    def test_long_videos_are_refused(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(untrusted, "MAX_VIDEO", 6 * 32 * 32 - 1)
        with pytest.raises(UserError, match="a.mp4: its frames have more than .* pixels together"):
            video.read(path)
        with pytest.raises(UserError, match="a.mp4: its frames have more than .* pixels together"):
            video.held(clip("a", 6).frames, path)

    def test_a_gap_is_not_filled_for_ever(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(untrusted, "MAX_FRAMES", 50)
        frames = ((time, clip("a", 1).frames[0]) for time in (0.0, 1e9))
        monkeypatch.setattr(video, "decode", lambda _: (25.0, frames))
        source = Clip("a", path, None, Sampling(fps=25.0), Framing(16, "none"), Given(), path.parent)
        with pytest.raises(UserError, match="a.mp4: more than 50 frames would be taken; .*benchmark.max_frames"):
            source.video()

    @pytest.mark.parametrize(
        "playlist",
        [
            "ffconcat version 1.0\nfile a.mp4\n",
            "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.mp4\n#EXT-X-ENDLIST\n",
            "v=0\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        ],
    )
    def test_playlists_are_no_videos(self, path: Path, playlist: str) -> None:
        other = path.with_name("b.mp4")
        other.write_text(playlist)
        with pytest.raises(UserError, match="b.mp4: cannot be decoded as video"):
            video.read(other)


class TestBenchmarks:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        _benchmark(tmp_path / "bench")
        return tmp_path / "bench"

    def opened(self, root: Path, **options: Any) -> Any:
        return Folder(root=str(root), **options).open(Given(), root / "cache")

    @pytest.mark.parametrize(
        "name", ["characters", "drivers", "drivers/anna", "benchmark.yaml", "truth", "drivers/anna.npy"]
    )
    def test_nothing_leads_out_of_the_root(self, root: Path, name: str) -> None:
        outside = root.parent / "outside"
        if (root / name).exists():
            (root / name).rename(outside)
        else:
            outside.mkdir()
        (root / name).symlink_to(outside)
        with pytest.raises(UserError, match=f"{name}: is a link that leads out of"):
            self.opened(root)

    def test_annotations_stay_in_their_folder(self, root: Path) -> None:
        (root.parent / "notes").mkdir()
        (root.parent / "notes" / "cat.npy").symlink_to("/etc/hostname")
        with pytest.raises(UserError, match="cat.npy: is a link that leads out of"):
            self.opened(root, annotations=str(root.parent / "notes"))

    @pytest.mark.parametrize("name", ["..", "a\nb", "a\\b", "\udcff", "a__b", " a"])
    def test_names_stay_names(self, name: str) -> None:
        with pytest.raises(UserError, match="cannot be used as a name"):
            check_name(name, Path(name))

    def test_domains_are_names_too(self, root: Path) -> None:
        (root / "characters" / "a\nb").mkdir()
        (root / "characters" / "cat.png").rename(root / "characters" / "a\nb" / "cat.png")
        with pytest.raises(UserError, match="cannot be used as a name"):
            self.opened(root)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a: &a [1]\npairs: *a", "cannot be read as YAML"),
            ("!!python/object/apply:os.system [ls]", "cannot be read as YAML"),
            ("[" * 10_000, "cannot be read as YAML"),
            ('name: "\\ud800"', "name: accepted|name: .* cannot be printed"),
            ('licence: "\\e[31m"', "licence: .* cannot be printed"),
            ("size: 1000000000", "size=1000000000: accepted are whole numbers of pixels from 16 to 4096"),
            (f"size: {'9' * 5000}", "cannot be read as YAML"),
            ("fps: .inf", "fps=inf: accepted are"),
            ("pairs: [[../cat, anna]]", "pairs name the character '../cat', which does not exist"),
        ],
    )
    def test_what_benchmark_yaml_says(self, root: Path, text: str, message: str) -> None:
        (root / "benchmark.yaml").write_text(text)
        with pytest.raises(UserError, match=message):
            self.opened(root)

    def test_a_crop_is_not_larger_than_a_picture_may_be(self) -> None:
        points = np.zeros((68, 2))
        points[0] = 10_000
        with pytest.raises(UserError, match="a face crop of 20000 pixels is too large"):
            Framing(64, "face").window((10_000, 10_000), points)


def test_cached_arrays_are_not_unpacked_from_bombs(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", points=np.zeros(10**6))
    with pytest.raises(UserError, match="x.npz: cannot be read as NumPy arrays .*compressed"):
        untrusted.read_arrays(tmp_path / "x.npz")


def test_a_damaged_table_is_told(tmp_path: Path) -> None:
    import pandas as pd

    path = tmp_path / "x.parquet"

    def read() -> Any:
        return untrusted.read_parquet(path, ["a"], ["b"])

    for table, message in (
        ({"a": ["x"]}, "lacks b"),
        ({"a": ["x", None], "b": [1.0, 2.0]}, "a is of .*string, or has gaps"),
        ({"a": ["x", "y"], "b": [True, False]}, "b is of bool, not of numbers"),
        ({"a": [1], "b": [1.0]}, "a is of int64"),
        ({"a": ["x"], "b": [np.inf]}, "a number is infinite"),
        ({"a": ["x"], "b": ["y"]}, "cannot be read as a table"),
    ):
        pd.DataFrame(table).to_parquet(path)
        with pytest.raises(UserError, match=message):
            read()
    pd.DataFrame({"a": ["x"], "b": [np.nan]}).to_parquet(path)
    assert len(read()) == 1
    buffer = io.BytesIO()
    pd.DataFrame({"a": ["x" * 99], "b": [1.5]}).to_parquet(buffer, write_page_checksum=True, compression=None)
    path.write_bytes(buffer.getvalue().replace(b"x" * 99, b"x" * 98 + b"y"))
    with pytest.raises(UserError, match="cannot be read as a table .*CRC"):
        read()
