import os
import re
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from charachbench import video
from charachbench.benchmark import clips, images
from charachbench.benchmark.folder import Folder
from charachbench.benchmark.recent import Recent
from charachbench.errors import UserError
from charachbench.landmarks.detectors import Detector, Given

FACE = np.stack([np.linspace(10, 40, 68), np.linspace(15, 45, 68)], axis=1)


class Brightness(Detector):
    """Finds a 'face' at the frame's brightness; frames darker than 30 have none."""

    calls = 0

    @property
    def fingerprint(self) -> str:
        return "brightness"

    def detect(self, frames: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        self.calls += 1
        levels = np.array([float(frame.mean()) for frame in frames])
        points = FACE + levels[:, None, None] / 10
        points[levels < 30] = np.nan
        return points, levels >= 30


def picture(path: Path, height: int = 64, width: int = 64, value: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((height, width, 3), value, np.uint8)).save(path)
    return path


def clip(path: Path, values: Iterable[int], times: list[int] | None = None, size: tuple[int, int] = (64, 64)) -> Path:
    """A lossless video whose frame k has the colour ``values[k]``, shown from ``times[k]`` milliseconds on (40 k)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264rgb", rate=25, options={"qp": "0"})
        stream.height, stream.width, stream.pix_fmt = *size, "rgb24"
        stream.codec_context.time_base = Fraction(1, 1000)
        for index, value in enumerate(values):
            frame = av.VideoFrame.from_ndarray(np.full((*size, 3), value, np.uint8), format="rgb24")
            frame.pts, frame.time_base = times[index] if times else 40 * index, Fraction(1, 1000)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def levels(of: video.Video) -> list[int]:
    return [round(float(value)) for value in of.frames.mean(axis=(1, 2, 3))]


VALUES = [40 + 10 * index for index in range(12)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "bench"
    picture(root / "characters" / "animal" / "cat.png", 64, 80)
    np.save(root / "characters" / "animal" / "cat.npy", FACE)
    picture(root / "characters" / "toy" / "mug.png")
    clip(root / "drivers" / "anna.mkv", VALUES)
    clip(root / "drivers" / "bob.mkv", VALUES[::-1])
    return root


def opened(root: Path, detector: Detector | None = None, **options):
    return Folder(root=str(root), **{"size": 32, **options}).open(detector or Brightness(), root.parent / "cache")


class TestOpening:
    def test_pairs_are_ordered_by_driver(self, root):
        benchmark = opened(root)
        assert [pair.name for pair in benchmark.pairs] == ["cat__anna", "mug__anna", "cat__bob", "mug__bob"]
        assert [character.domain for character in benchmark.characters] == ["animal", "toy"]
        assert benchmark.name == "bench"

    def test_nothing_is_decoded(self, root, monkeypatch):
        def refuse(*args):
            raise AssertionError("decoded")

        monkeypatch.setattr(images, "read_image", refuse)
        monkeypatch.setattr(video, "decode", refuse)
        benchmark = opened(root)
        with pytest.raises(AssertionError, match="decoded"):
            _ = benchmark.characters[0].image
        with pytest.raises(AssertionError, match="decoded"):
            _ = benchmark.drivers[0].video

    def test_a_driver_is_decoded_once_for_all_its_pairs(self, root, monkeypatch):
        passes = []
        decode = video.decode
        monkeypatch.setattr(video, "decode", lambda path: passes.append(path.stem) or decode(path))
        for pair in opened(root, sidecar(root, "anna")).pairs:
            if pair.driver.name == "anna":
                assert len(pair.driver.video) == len(pair.driver.landmarks)
        assert passes == ["anna"]

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({"domains": ["toy"]}, ["mug__anna", "mug__bob"]),
            ({"characters": ["cat"], "drivers": ["bob"]}, ["cat__bob"]),
            ({"max_characters": 1, "max_drivers": 1}, ["cat__anna"]),
        ],
    )
    def test_subsets(self, root, options, expected):
        assert [pair.name for pair in opened(root, **options).pairs] == expected

    def test_a_count_is_spread_over_the_list(self, root):
        for index in range(9):
            picture(root / "characters" / "toy" / f"mug{index + 2}.png")
        names = [character.name for character in opened(root, max_characters=3).characters]
        assert names == ["cat", "mug5", "mug10"]

    def test_the_manifest_counts_where_the_option_is_null(self, root):
        (root / "benchmark.yaml").write_text(
            "name: Mine\nsize: 48\nfps: 12.5\nlicence: CC0\npairs: [[cat, bob], [mug, anna]]\n"
        )
        benchmark = opened(root, size=None)
        assert (benchmark.name, benchmark.licence, benchmark.options["size"]) == ("Mine", "CC0", 48)
        assert [pair.name for pair in benchmark.pairs] == ["mug__anna", "cat__bob"]
        assert levels(benchmark.drivers[0].video) == VALUES[::2]
        assert opened(root, name="Ours", fps=25.0).options["fps"] == 25.0
        assert opened(root, name="Ours").name == "Ours"

    @pytest.mark.parametrize("name", ["two words", "猫", 'l\'été "x"', "a..b", "x%{y}"])
    def test_any_readable_name(self, root, name):
        picture(root / "characters" / "animal" / f"{name}.png")
        assert name in [character.name for character in opened(root).characters]

    def test_hidden_files_are_not_seen(self, root):
        for folder in (root / "characters" / "animal", root / "drivers"):
            (folder / "._cat.png").write_bytes(b"")
            (folder / ".DS_Store").write_bytes(b"")
            (folder / ".x.mp4").write_bytes(b"")
        assert len(opened(root).pairs) == 4


def sidecar(root: Path, *names: str) -> Detector:
    for name in names:
        np.save(root / "drivers" / f"{name}.npy", FACE + np.arange(12)[:, None, None])
    return Given()


def write(path: str, content: bytes = b"") -> Callable[[Path], None]:
    def make(root: Path) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)

    return make


def remove(path: str) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        import shutil

        target = root / path
        shutil.rmtree(target) if target.is_dir() else target.unlink()

    return make


def save(path: str, array: object) -> Callable[[Path], None]:
    return lambda root: np.save(root / path, np.asarray(array), allow_pickle=True)


def link(path: str) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        (root / path).symlink_to(picture(root.parent / "elsewhere.png"))

    return make


def truth(count: int) -> Callable[[Path], Path]:
    return lambda root: clip(root / "truth" / "cat__anna.mkv", [50] * count)


CAT = "characters/animal/cat"
STRUCTURE = [
    ("missing root", remove("."), r"bench: no such folder; benchmark.root is one with"),
    ("no characters", remove("characters"), r"characters: no such folder; it must hold pictures \(.png"),
    ("no drivers", remove("drivers"), r"drivers: no such folder; it must hold videos \(.mp4"),
    (
        "empty drivers",
        lambda root: [path.unlink() for path in (root / "drivers").iterdir()],
        "drivers: holds no drivers",
    ),
    ("empty folder of frames", lambda root: (root / "drivers/x").mkdir(), r"drivers/x: holds no frames; .*\.png"),
    (
        "same name",
        lambda root: picture(root / "characters/toy/cat.png"),
        r"toy/cat.png: a character called like .*animal",
    ),
    ("same but case", lambda root: picture(root / "characters/toy/CAT.png"), r"CAT.png: a character called like"),
    (
        "same stem",
        lambda root: picture(root / "characters/animal/cat.jpg"),
        r"cat\.png: a character called like .*cat\.jpg",
    ),
    ("ambiguous name", lambda root: picture(root / "characters/a__b.png"), r"a__b.png: cannot be used as a name: '__'"),
    ("edge underscore", lambda root: picture(root / "characters/a_.png"), r"a_.png: cannot be used as a name: '__'"),
    ("control character", lambda root: picture(root / "characters/a\nb.png"), r"a\\nb.png': cannot be used as a name"),
    ("backslash", lambda root: picture(root / "characters/a\\b.png"), r"b.png': cannot be used as a name"),
    ("link out", link("characters/toy/x.png"), r"x.png: is a link that leads out of"),
    ("manifest", write("benchmark.yaml", b"siez: 4"), r"benchmark.yaml: siez: .*; accepted are name, size, fps"),
    ("manifest type", write("benchmark.yaml", b"size: big"), r"benchmark.yaml: size: .*; accepted are name, size, fps"),
    ("manifest range", write("benchmark.yaml", b"fps: -1"), r"benchmark.yaml: benchmark.fps=-1.0: accepted are"),
    ("manifest syntax", write("benchmark.yaml", b"{"), r"benchmark.yaml: cannot be read as YAML; accepted are"),
    (
        "unknown pair",
        write("benchmark.yaml", b"pairs: [[../x, anna]]"),
        r"the character '\.\./x', .*accepted are cat, mug",
    ),
    ("stray truth", write("truth/dog__anna.mkv"), r"dog__anna.mkv: belongs to no pair; .*<character>__<driver>.mkv"),
]


class TestBadInput:
    @pytest.mark.parametrize(("make", "message"), [case[1:] for case in STRUCTURE], ids=[case[0] for case in STRUCTURE])
    def test_structure_is_refused_when_opened(self, root, make, message):
        make(root)
        with pytest.raises(UserError, match=message):
            opened(root)
        assert any(re.search(message, problem) for problem in Folder(root=str(root)).problems())

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"domains": ["tyo"]}, "no domain is called 'tyo'; did you mean 'toy'. Known: animal, toy"),
            ({"characters": ["dog"]}, "no character is called 'dog'.* Known: cat, mug"),
            ({"drivers": ["x"]}, "no driver is called 'x'.* Known: anna, bob"),
            ({"annotations": "nowhere"}, "nowhere: no such folder; benchmark.annotations"),
            ({"max_drivers": 0}, "benchmark.max_drivers=0: accepted are"),
            ({"background": (0, 0, 300)}, r"benchmark.background=\[0, 0, 300\]: accepted are"),
            ({"domains": ["toy"], "characters": ["cat"]}, "has no pairs left"),
        ],
    )
    def test_options(self, root, options, message):
        with pytest.raises(UserError, match=message):
            opened(root, **options)

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (write(f"{CAT}.png", b"no picture"), r"cat\.png: cannot be read as a picture; accepted are"),
            (save(f"{CAT}.npy", FACE[:67]), r"cat\.npy: has the shape \(67, 2\); accepted is .*\(68, 2\)"),
            (save(f"{CAT}.npy", FACE[None]), r"cat\.npy: has the shape \(1, 68, 2\); accepted is .*\(68, 2\)"),
            (save(f"{CAT}.npy", FACE * np.nan), r"cat\.npy: holds values that are not finite; accepted is"),
            (save(f"{CAT}.npy", FACE + 60), r"cat\.npy: \d+ landmarks lie outside .* of 80 x 64 pixels.*accepted"),
            (save(f"{CAT}.npy", FACE + 1j), r"cat\.npy: holds no real numbers; accepted is"),
            (save(f"{CAT}.npy", [{}]), r"cat\.npy: cannot be read as a NumPy file \(it holds object\); accepted is"),
            (write(f"{CAT}.npy"), r"cat\.npy: cannot be read as a NumPy file \(.*header\); accepted is"),
            (write("drivers/anna.mkv"), r"anna\.mkv: cannot be decoded as video|anna\.mkv: has no frames"),
            (write("drivers/anna.mkv", b"junk" * 100), r"anna\.mkv: cannot be decoded as video"),
            (save("drivers/anna.npy", FACE), r"anna\.npy: has the shape \(68, 2\); accepted is .*\(T, 68, 2\)"),
            (save("drivers/anna.npy", [FACE] * 13), r"anna\.npy: holds landmarks for 13 frames; accepted are .*\(12\)"),
            (save("drivers/anna.npy", [FACE] * 11), r"anna\.npy: holds landmarks for 11 frames; accepted are .*\(12\)"),
            (truth(7), r"cat__anna\.mkv: has 7 frames; accepted are as many as the driver's file \(12\)"),
            (write("truth/cat__anna.mkv", b"junk"), r"cat__anna\.mkv: cannot be decoded as video"),
        ],
    )  # fmt: skip
    def test_one_bad_file_fails_only_its_pairs(self, root, make, message):
        make(root)
        benchmark = opened(root)

        def read(pair) -> None:
            _ = pair.character.image, pair.character.landmarks, pair.driver.video, pair.driver.landmarks
            if pair.truth is not None:
                _ = pair.truth.video, pair.truth.landmarks

        good = [pair for pair in benchmark.pairs if pair.name == "mug__bob"]
        bad = [pair for pair in benchmark.pairs if pair.name == "cat__anna"]
        read(good[0])
        with pytest.raises(UserError, match=message):
            read(bad[0])
        assert any(re.search(message, problem) for problem in Folder(root=str(root), size=32).problems())

    def test_a_start_beyond_the_end(self, root):
        with pytest.raises(UserError, match=r"anna.mkv: has no frame from benchmark.start=9.0 s on; it has 12 frames"):
            _ = opened(root, start=9.0).drivers[0].video

    def test_given_names_the_missing_file(self, root):
        with pytest.raises(
            UserError, match=r"drivers/anna\.npy: no such file; detector=given needs an array \(T, 68, 2\)"
        ):
            _ = opened(root, Given()).drivers[0].landmarks

    def test_a_face_crop_without_landmarks(self, root):
        cat, mug = opened(root, crop="face").characters
        assert cat.image.shape == (32, 32, 3)
        with pytest.raises(UserError, match=r"mug.png: crop=face needs its landmarks in mug.npy.*crop=centre"):
            _ = mug.image

    def test_all_problems_are_reported_at_once(self, root):
        write(f"{CAT}.png", b"no picture")(root)
        write("drivers/anna.mkv", b"junk" * 100)(root)
        write("characters/toy/old.bmp")(root)
        problems = Folder(root=str(root), expect_characters=46).problems()
        assert len(problems) == 4
        for name in ("cat.png", "anna.mkv", "old.bmp", "holds 2 characters, a complete copy has 46"):
            assert sum(name in problem for problem in problems) == 1
        assert (
            Folder(root=str(root), drivers=["bob"], characters=["mug"], expect_characters=2)
            .problems()[0]
            .count("old.bmp")
        )


class TestDrivers:
    def test_variable_frame_rate(self, root):
        clip(root / "drivers" / "anna.mkv", VALUES[:5], times=[0, 40, 400, 480, 520])
        anna = opened(root, fps=12.5).drivers[0]
        shown = levels(anna.video)
        assert shown[:7] == [VALUES[k] for k in (0, 1, 1, 1, 1, 2, 3)]
        assert anna.video.fps == 12.5
        np.testing.assert_allclose(anna.landmarks[:, 0, 0], (FACE[0, 0] + np.array(shown) / 10 + 0.5) / 2 - 0.5)

    def test_start_stride_and_limit(self, root):
        anna = opened(root, start=0.08, stride=3, max_frames=3).drivers[0]
        assert levels(anna.video) == VALUES[2:9:3]
        assert anna.video.fps == pytest.approx(25 / 3)

    def test_sidecar_follows_sampling_and_framing_and_wins(self, root):
        sidecar(root, "anna")
        detector = Brightness()
        anna = opened(root, detector, start=0.08, stride=3, max_frames=3).drivers[0]
        expected = (FACE + np.array([2, 5, 8])[:, None, None] + 0.5) / 2 - 0.5
        np.testing.assert_allclose(anna.landmarks, expected)
        assert anna.detection.detected.all()
        assert detector.calls == 0

    @pytest.mark.parametrize("given", [True, False])
    def test_a_face_crop_holds_still_over_the_frames(self, root, given):
        if given:
            sidecar(root, "anna")
        anna = opened(root, crop="face").drivers[0]
        motion = np.diff(anna.landmarks, axis=0)
        np.testing.assert_allclose(motion, motion[0, 0, 0])  # one window for all frames keeps the motion
        assert anna.landmarks.min() > 0
        assert anna.landmarks.max() < 31
        assert levels(anna.video) == VALUES

    def test_gif_and_odd_sizes(self, root):
        frames = [Image.fromarray(np.full((45, 33, 3), value, np.uint8)) for value in VALUES[:4]]
        frames[0].save(root / "drivers" / "carl.gif", save_all=True, append_images=frames[1:], duration=100)
        carl = opened(root).drivers[2]
        assert carl.video.frames.shape == (4, 32, 32, 3)
        assert levels(carl.video) == pytest.approx(VALUES[:4], abs=3)
        assert carl.video.fps == pytest.approx(10)

    def test_a_folder_of_frames(self, root):
        for index, value in enumerate(VALUES):
            picture(root / "drivers" / "dora" / f"f{index}.png", value=value)
        np.save(root / "drivers" / "dora.npy", [FACE] * 12)
        dora = opened(root, fps=10.0).drivers[2]
        assert levels(dora.video) == VALUES
        assert dora.video.fps == 10
        assert dora.landmarks.shape == (12, 68, 2)
        assert opened(root).drivers[2].video.fps == 25

    def test_detection_is_cached_and_a_broken_cache_is_made_again(self, root, monkeypatch):
        detector = Brightness()
        first = opened(root, detector).drivers[0].landmarks
        np.testing.assert_array_equal(opened(root, detector, crop="none").drivers[0].landmarks, first)
        assert detector.calls == 1
        (kept,) = (root.parent / "cache" / "landmarks").iterdir()
        kept.write_bytes(kept.read_bytes()[:100])
        monkeypatch.setattr(clips, "recent", Recent(0))
        np.testing.assert_array_equal(opened(root, detector).drivers[0].landmarks, first)
        assert detector.calls == 2

    def test_gaps(self, root):
        clip(root / "drivers" / "anna.mkv", [100, 0, 0, 130, 0, 0, 0, 100])
        anna = opened(root, Brightness(max_gap=3)).drivers[0]
        assert anna.detection.detected.tolist() == [True, False, False, True, False, False, False, True]
        np.testing.assert_allclose(np.diff(anna.landmarks[:4, 0, 0]), 0.5)
        with pytest.raises(UserError, match="driver 'anna': no face found in frames 4-6 of 8"):
            _ = opened(root, Brightness(max_gap=2)).drivers[0].landmarks


class TestCharacters:
    def test_annotation_from_another_folder(self, root, tmp_path):
        (tmp_path / "notes").mkdir()
        np.save(tmp_path / "notes" / "mug.npy", FACE)
        np.save(tmp_path / "notes" / "cat.npy", FACE + 5)
        cat, mug = opened(root, annotations=str(tmp_path / "notes")).characters
        np.testing.assert_allclose(mug.landmarks, (FACE + 0.5) / 2 - 0.5)
        np.testing.assert_allclose(cat.landmarks, (FACE - [8, 0] + 0.5) / 2 - 0.5)  # the one beside the picture wins
        assert opened(root).characters[1].landmarks is None

    def test_transparency(self, root):
        Image.fromarray(np.zeros((64, 64, 4), np.uint8)).save(root / "characters" / "toy" / "mug.png")
        assert (opened(root).characters[1].image == 255).all()
        assert (opened(root, background=(1, 2, 3)).characters[1].image == [1, 2, 3]).all()


class TestTruth:
    def make(self, root: Path, values: list[int], size: tuple[int, int]) -> None:
        clip(root / "truth" / "cat__anna.mkv", values, size=size)
        np.save(root / "truth" / "cat__anna.npy", np.stack([FACE + k for k in range(len(values))]))

    @pytest.mark.parametrize(("size", "shift", "scale"), [((64, 80), 8, 0.5), ((96, 96), 0, 1 / 3)])
    def test_all_of_the_drivers_frames(self, root, size, shift, scale):
        self.make(root, VALUES, size)
        found = opened(root, stride=2, start=0.04, max_frames=4).pairs[0].truth
        assert levels(found.video) == VALUES[1:8:2]
        assert found.video.fps == 12.5
        expected = (FACE + np.array([1, 3, 5, 7])[:, None, None] - [shift, 0] + 0.5) * scale - 0.5
        np.testing.assert_allclose(found.landmarks, expected)

    def test_a_face_crop_takes_the_characters_window(self, root):
        self.make(root, VALUES, (64, 80))
        pair = opened(root, sidecar(root, "anna"), crop="face").pairs[0]
        np.testing.assert_allclose(pair.truth.landmarks[0], pair.character.landmarks)
        self.make(root, VALUES, (50, 50))
        with pytest.raises(UserError, match=r"frames of 50 x 50 pixels; accepted with crop=face are .* or 32 x 32"):
            _ = opened(root, sidecar(root, "anna"), crop="face").pairs[0].truth.video

    def test_only_the_sampled_frames(self, root):
        self.make(root, VALUES[:4], (64, 64))
        found = opened(root, stride=2, max_frames=4, size=64).pairs[0].truth
        assert levels(found.video) == VALUES[:4]
        np.testing.assert_array_equal(found.landmarks[2], FACE + 2)
        assert opened(root).pairs[1].truth is None


def fingerprints(root: Path, detector: Detector | None = None, **options) -> dict[str, str]:
    pair = opened(root, detector, **options).pairs[0]
    return {
        "image": pair.character.fingerprint,
        "annotation": pair.character.annotation_fingerprint,
        "driver": pair.driver.fingerprint,
    }


class TestFingerprints:
    @pytest.mark.parametrize(
        ("options", "changed"),
        [
            ({"size": 48}, {"image", "annotation", "driver"}),
            ({"crop": "none"}, {"image", "annotation", "driver"}),
            ({"background": (0, 0, 0)}, {"image", "annotation"}),
            ({"fps": 10.0}, {"driver"}),
            ({"start": 0.1}, {"driver"}),
            ({"stride": 2}, {"driver"}),
            ({"max_frames": 3}, {"driver"}),
            ({"detector": Brightness(max_gap=9)}, {"driver"}),
            ({"name": "other"}, set()),
            ({"characters": ["cat"]}, set()),
            ({"max_drivers": 1}, set()),
        ],
    )
    def test_options(self, root, options, changed):
        before, after = fingerprints(root), fingerprints(root, **options)
        assert {name for name in before if before[name] != after[name]} == changed

    @pytest.mark.parametrize(
        ("make", "changed", "options"),
        [
            (lambda root: picture(root / f"{CAT}.png", 64, 80, 101), {"image", "annotation"}, {}),
            (save(f"{CAT}.npy", FACE + 1), {"annotation"}, {}),
            (save(f"{CAT}.npy", FACE + 1), {"image", "annotation"}, {"crop": "face"}),
            (lambda root: clip(root / "drivers" / "anna.mkv", VALUES[1:]), {"driver"}, {}),
            (save("drivers/anna.npy", [FACE] * 12), {"driver"}, {}),
            (lambda root: os.utime(root / f"{CAT}.png", (0, 0)), set(), {}),
            (lambda root: picture(root / "characters" / "another.png"), set(), {}),
        ],
    )
    def test_files(self, root, make, changed, options):
        before = fingerprints(root, **options)
        make(root)
        after = fingerprints(root, **options)
        assert {name for name in before if before[name] != after[name]} == changed

    def test_the_place_does_not_matter(self, root, tmp_path):
        before = fingerprints(root)
        root.rename(tmp_path / "elsewhere")
        assert fingerprints(tmp_path / "elsewhere") == before

    def test_options_of_the_benchmark(self, root):
        before = opened(root).options
        assert opened(root, drivers=["bob"], max_characters=1, name="x").options == before
        assert opened(root, fps=5.0).options != before
        assert opened(root, Brightness(max_gap=1)).options != before
        sidecar(root, "anna", "bob")
        assert opened(root).options == opened(root, Given()).options


class TestCharactersAlone:
    def test_no_drivers_are_needed(self, tmp_path):
        np.save(picture(tmp_path / "characters" / "animal" / "toad.png").with_suffix(".npy"), FACE)
        picture(tmp_path / "characters" / "newt.png")
        opened = Folder(root=str(tmp_path), size=64).open_characters(Given(), tmp_path / "cache")
        assert [pair.name for pair in opened.pairs] == ["toad", "newt"]
        assert [pair.truth is not None for pair in opened.pairs] == [True, False]
        assert opened.options == {"size": 64, "crop": "centre", "background": [255, 255, 255]}
        with pytest.raises(UserError, match="drivers: no such folder"):
            Folder(root=str(tmp_path), size=64).open(Given(), tmp_path / "cache")

    def test_characters_are(self, root):
        for path in sorted((root / "characters").rglob("*.*")):
            path.unlink()
        with pytest.raises(UserError, match="characters"):
            Folder(root=str(root)).open_characters(Given(), root / "cache")

    def test_the_subset_is_the_same(self, root):
        chosen = Folder(root=str(root), max_characters=1)
        opened, alone = (method(Given(), root / "cache") for method in (chosen.open, chosen.open_characters))
        assert [character.name for character in opened.characters] == [pair.name for pair in alone.pairs]
