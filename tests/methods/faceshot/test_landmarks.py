"""Appearance-guided matching as a source of landmarks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from charachbench.benchmark.types import Benchmark
from charachbench.errors import UserError
from charachbench.landmarks import topology
from charachbench.protocols import FoundLandmarks
from methods.faceshot import gallery as galleries
from methods.faceshot import matching
from methods.faceshot.encoder import Encoder
from methods.faceshot.gallery import Annotated, Gallery, GallerySource
from methods.faceshot.landmarks import AppearanceGuided
from methods.faceshot.parts import PARTS, Box, FoundPart, Parts, WholeImage
from tests.methods.faceshot.models import CAST, GREEN, RED, SIZE, MeanColour, Painted, Waves, character


class Halves(Parts):
    """The upper parts are looked for in the upper half, the mouth in the lower."""

    def find(self, image: np.ndarray) -> dict[str, FoundPart]:
        upper: Box = (0, 0, SIZE, SIZE / 2)
        lower: Box = (0, SIZE / 2, SIZE, SIZE)
        return {part: FoundPart(lower if part == "mouth" else upper, 0.5) for part in PARTS}


class WithoutImages(GallerySource):
    """Vectors alone, as a published gallery has them."""

    def fingerprint(self, cache: Path) -> str:
        return "vectors alone"

    def open(self, encoder: Encoder, cache: Path) -> Gallery:
        plain = Encoder(Waves(), MeanColour(), cache, "cpu")
        targets = galleries.encode(CAST, plain).targets
        return Gallery(
            {
                part: [replace(t, vectors=np.pad(t.vectors, ((0, 0), (0, 1))), image=None) for t in members]
                for part, members in targets.items()
            }
        )


def source(cache: Path, **changes: object) -> AppearanceGuided:
    parts = {
        "gallery": Annotated({"painted": Painted()}), "features": Waves(), "parts": WholeImage(),
        "embedding": MeanColour(), "size": SIZE, "regularise": False, **changes,
    }  # fmt: skip
    made = AppearanceGuided(**parts)  # type: ignore[arg-type]
    made.prepare(cache)
    made.load("cpu")
    return made


def domains(found: FoundLandmarks) -> set[str]:
    return {note["domain"] for note in found.notes["gallery"].values()}


def test_the_most_similar_domain_is_matched(tmp_path: Path) -> None:
    red = source(tmp_path).find(character("new", "unknown", (180, 60, 30), 7))
    assert domains(red) == {"red"}
    rubies = [member.landmarks for member in CAST if member.domain == "red" and member.landmarks is not None]
    assert np.abs(red.points - np.mean(rubies, axis=0)).max() < 2.5
    assert domains(source(tmp_path).find(character("new", "unknown", GREEN, 8))) == {"green"}


def test_one_character_can_mix_domains(tmp_path: Path) -> None:
    mixed = character("new", "unknown", RED, 7)
    mixed.image[SIZE // 2 :] = character("", "", GREEN, 8).image[SIZE // 2 :]
    found = source(tmp_path, parts=Halves()).find(mixed)
    chosen = {part: note["domain"] for part, note in found.notes["gallery"].items()}
    assert chosen == {part: "green" if part == "mouth" else "red" for part in PARTS}
    assert found.notes["captions"] == {part: "green" if part == "mouth" else "red" for part in topology.PARTS}
    assert found.notes["gallery"]["mouth"]["found"] == 0.5


def test_regularise_and_refine_are_what_they_say(tmp_path: Path) -> None:
    stranger = character("new", "unknown", RED, 7)
    plain, regular = (source(tmp_path, regularise=way).find(stranger).points for way in (False, True))
    assert np.array_equal(regular, matching.regularise(plain))
    refined = source(tmp_path, refine=True).find(stranger).points
    assert 0 < np.abs(refined - plain).max() <= 0.5


def test_points_are_matched_in_a_larger_square(tmp_path: Path) -> None:
    stranger = character("new", "unknown", RED, 7)
    small, large = (source(tmp_path, size=size).find(stranger).points for size in (SIZE, 4 * SIZE))
    assert 0 < np.abs(small - large).max() <= 1
    assert np.array_equal((large + 0.5) * 4 - 0.5, np.round((large + 0.5) * 4 - 0.5))


def test_a_character_is_matched_once_and_found_again_in_the_cache(tmp_path: Path) -> None:
    features = Waves()
    first = source(tmp_path, features=features)
    stranger = character("new", "unknown", RED, 7)
    assert np.array_equal(first.find(stranger).points, first.find(stranger).points)
    again = source(tmp_path, features=features)
    again.find(stranger)
    assert features.extracted == [len(CAST), 1]


def test_fingerprint_follows_gallery_and_models(tmp_path: Path) -> None:
    prints = [
        source(tmp_path, **change).fingerprint(CAST[0])
        for change in (
            {}, {"gallery": Annotated({"painted": Painted(["ruby", "jade"])})}, {"features": Waves(colour=0.2)},
            {"embedding": MeanColour(offset=1.0)}, {"parts": Halves()},
        )
    ]  # fmt: skip
    assert len(set(prints)) == len(prints)
    assert source(tmp_path).fingerprint(CAST[0]) == prints[0]


class TestGuided:
    def test_both_directions(self, tmp_path: Path) -> None:
        """The character is steered by the chosen domain, that domain's images by the character."""
        features = Waves(guidance=True)
        stranger = character("new", "unknown", RED, 7)
        source(tmp_path, features=features).find(stranger)
        embed = MeanColour().embed
        reds = np.mean(embed([member.image for member in CAST if member.domain == "red"]), axis=0)
        own = embed([stranger.image])[0]
        np.testing.assert_allclose(features.guides, [reds, own, own], rtol=1e-5)

    def test_a_gallery_without_images_is_used_as_it_is(self, tmp_path: Path) -> None:
        """The character is steered by each part's own crops, since nothing else is known of the domain."""
        features = Waves(guidance=True)
        source(tmp_path, features=features, gallery=WithoutImages()).find(character("new", "unknown", RED, 7))
        assert features.extracted == [1] * len(PARTS)
        assert len({guide.tobytes() for guide in features.guides}) == len(PARTS)


class TestBuildGallery:
    def test_of_annotated_characters(self, tmp_path: Path) -> None:
        benchmark = Painted().open(None, tmp_path)
        path = source(tmp_path).build_gallery(benchmark, tmp_path / "galleries", tmp_path, "cpu")
        assert path.is_file()
        assert path.name.startswith("painted-")

    def test_of_none(self, tmp_path: Path) -> None:
        bare = Painted(annotated=False).open(None, tmp_path)
        assert isinstance(bare, Benchmark)
        with pytest.raises(UserError, match="no character of 'painted' is annotated"):
            source(tmp_path).build_gallery(bare, tmp_path, tmp_path, "cpu")
