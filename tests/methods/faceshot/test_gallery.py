"""The appearance gallery: what it holds, what it leaves out, and how it is kept."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from charachbench.benchmark.types import Character
from charachbench.errors import UserError
from methods.faceshot import gallery as galleries
from methods.faceshot.embeddings import Clip
from methods.faceshot.encoder import Encoder
from methods.faceshot.gallery import Annotated, Gallery, GallerySource, Published, Stored
from methods.faceshot.landmarks import AppearanceGuided
from methods.faceshot.parts import PARTS, WholeImage
from tests.methods.faceshot.models import BLUE, CAST, RED, MeanColour, Painted, Waves, character


@pytest.fixture
def encoder(tmp_path: Path) -> Encoder:
    return Encoder(Waves(), MeanColour(), tmp_path / "cache", "cpu")


def names(gallery: Gallery, part: str = "mouth") -> set[str]:
    return {target.character for target in gallery.targets[part]}


def find(source: GallerySource, wanted: Character, cache: Path) -> np.ndarray:
    matching = AppearanceGuided(source, Waves(), WholeImage(), MeanColour(), regularise=False)
    matching.prepare(cache)
    matching.load("cpu")
    return matching.find(wanted).points


def publish(root: Path, gallery: Gallery) -> Path:
    """Write the published layout: averages of unit vectors, embeddings averaged and normalised."""
    for part in PARTS:
        for domain, members in gallery.domains(part).items():
            folder = root / part / domain
            folder.mkdir(parents=True)
            vectors = np.mean([member.vectors for member in members], axis=0)
            crops = np.mean([member.crop / np.linalg.norm(member.crop) for member in members], axis=0)
            torch.save(torch.from_numpy(vectors), folder / "diff_feature.pt")
            torch.save(torch.from_numpy(crops / np.linalg.norm(crops))[None], folder / "clip_feature.pt")
    return root


def narrow(root: Path) -> None:
    """Make all vectors 5 channels wide."""
    for path in root.glob("*/*/diff_feature.pt"):
        torch.save(torch.ones(len(torch.load(path)), 5), path)


class TestVectors:
    @given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 100))
    def test_sampled_as_torch_upsamples(self, rows: int, columns: int, seed: int) -> None:
        height, width = 4 * rows, 3 * columns + 2
        rng = np.random.default_rng(seed)
        features = rng.normal(size=(5, rows, columns)).astype(np.float32)
        points = np.stack([rng.integers(0, width, 7), rng.integers(0, height, 7)], axis=1)
        large = torch.nn.functional.interpolate(
            torch.from_numpy(features)[None], size=(height, width), mode="bilinear", align_corners=False
        )
        expected = torch.nn.functional.normalize(large, dim=1)[0, :, points[:, 1], points[:, 0]].T
        found = galleries.vectors_at(features, points.astype(float), (height, width))
        np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)

    def test_a_flat_feature_map_gives_no_nan(self) -> None:
        assert (galleries.vectors_at(np.zeros((3, 2, 2), np.float32), np.ones((4, 2)), (8, 8)) == 0).all()


class TestLeavingOut:
    def test_its_own_image_under_another_name_and_its_name_on_another_image(self, encoder: Encoder) -> None:
        gallery = galleries.encode(CAST, encoder)
        assert names(gallery) == {"ruby", "rose", "jade", "moss"}
        assert names(gallery.without(character("copy", "red", RED, 1))) == {"rose", "jade", "moss"}
        renamed = gallery.without(character("jade", "red", BLUE, 9))
        assert names(renamed) == {"ruby", "rose", "moss"}
        assert {member.name for member in renamed.characters} == names(renamed)

    def test_nothing_left(self, encoder: Encoder) -> None:
        with pytest.raises(UserError, match="nothing is left for face_boundary once 'ruby' itself is left out"):
            galleries.encode(CAST[:1], encoder).without(CAST[0])

    def test_domains_hold_their_own_members_only(self, encoder: Encoder) -> None:
        gallery = galleries.encode(CAST, encoder)
        for part in PARTS:
            domains = gallery.domains(part)
            assert {name: {target.character for target in targets} for name, targets in domains.items()} == {
                "green": {"jade", "moss"},
                "red": {"ruby", "rose"},
            }

    def test_a_character_is_never_matched_with_itself(self, tmp_path: Path) -> None:
        """With itself in the gallery it would find its own annotation; without, it finds its namesake domain's."""
        source = Annotated({"painted": Painted(["ruby", "rose"])})
        found = find(source, CAST[0], tmp_path)
        assert CAST[0].landmarks is not None
        assert CAST[1].landmarks is not None
        assert np.abs(found - CAST[1].landmarks).max() < np.abs(found - CAST[0].landmarks).max()


class TestAnnotated:
    def test_fingerprint_follows_the_members(self, tmp_path: Path) -> None:
        all_of_them = Annotated({"a": Painted()}).fingerprint(tmp_path)
        assert all_of_them == Annotated({"b": Painted()}).fingerprint(tmp_path)
        assert all_of_them != Annotated({"a": Painted(["ruby", "jade"])}).fingerprint(tmp_path)

    def test_an_image_that_two_benchmarks_share_counts_once(self, encoder: Encoder, tmp_path: Path) -> None:
        gallery = Annotated({"a": Painted(), "b": Painted(["ruby"])}).open(encoder, tmp_path)
        assert len(gallery.targets["nose"]) == len(CAST)

    def test_nothing_annotated(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"no character of 'painted' is annotated; put its 68 landmarks into"):
            Annotated({"a": Painted(annotated=False)}).fingerprint(tmp_path)

    def test_no_benchmark(self) -> None:
        with pytest.raises(UserError, match=r"gallery\.benchmarks: is empty"):
            Annotated({"toy": None})


class TestStored:
    def test_gives_the_same_match(self, encoder: Encoder, tmp_path: Path) -> None:
        path = galleries.write(CAST, encoder, tmp_path / "galleries", "painted")
        stranger = character("new", "unknown", RED, 7)
        own = find(Annotated({"painted": Painted()}), stranger, tmp_path)
        assert np.array_equal(find(Stored(str(path)), stranger, tmp_path / "elsewhere"), own)
        left_out = find(Annotated({"painted": Painted()}), CAST[0], tmp_path)
        assert np.array_equal(find(Stored(str(path)), CAST[0], tmp_path / "elsewhere"), left_out)

    def test_provenance(self, encoder: Encoder, tmp_path: Path) -> None:
        from safetensors import safe_open

        path = galleries.write(CAST, encoder, tmp_path, "painted")
        with safe_open(path, framework="numpy") as file:
            about = file.metadata()["charachbench"]
        assert "tests.methods.faceshot.models.Waves" in about
        assert all(name in about for name in ("ruby", "packages", "commit"))

    @pytest.mark.parametrize(
        ("features", "embedding", "what"),
        [(Waves(colour=0.1), MeanColour(), "features"), (Waves(), MeanColour(offset=100.0), "embedding")],
    )
    def test_other_models(
        self, encoder: Encoder, tmp_path: Path, features: Waves, embedding: MeanColour, what: str
    ) -> None:
        path = galleries.write(CAST, encoder, tmp_path, "painted")
        other = Encoder(features, embedding, tmp_path / "other", "cpu")
        with pytest.raises(UserError, match=f"was made with other {what} .*make it again with `charachbench gallery`"):
            Stored(str(path)).open(other, tmp_path)

    def test_missing_and_broken(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"gallery\.path=.*: no such file; `charachbench gallery` makes one"):
            Stored(str(tmp_path / "none.safetensors")).fingerprint(tmp_path)
        for content in (b"", b"not a gallery", b"\x08\0\0\0\0\0\0\0{}      "):
            (tmp_path / "broken.safetensors").write_bytes(content)
            with pytest.raises(UserError, match="is not a gallery"):
                Stored(str(tmp_path / "broken.safetensors")).fingerprint(tmp_path)

    def test_without_its_vectors(self, encoder: Encoder, tmp_path: Path) -> None:
        from safetensors import safe_open
        from safetensors.numpy import save_file

        path = galleries.write(CAST, encoder, tmp_path, "painted")
        with safe_open(path, framework="numpy") as file:
            about, landmarks = file.metadata(), file.get_tensor("landmarks")
        save_file({"landmarks": landmarks}, path, metadata=about)
        with pytest.raises(UserError, match="is not a gallery"):
            Stored(str(path)).fingerprint(tmp_path)


class TestPublished:
    def test_gives_the_same_match_as_our_own(self, encoder: Encoder, tmp_path: Path) -> None:
        root = publish(tmp_path / "target_domains", galleries.encode(CAST, encoder))
        for stranger in (character("new", "unknown", RED, 7), character("other", "unknown", (60, 180, 60), 8)):
            own = find(Annotated({"painted": Painted()}), stranger, tmp_path)
            assert np.array_equal(find(Published(str(root)), stranger, tmp_path), own)

    def test_fingerprint_follows_the_files(self, encoder: Encoder, tmp_path: Path) -> None:
        root = publish(tmp_path / "target_domains", galleries.encode(CAST, encoder))
        before = Published(str(root)).fingerprint(tmp_path)
        torch.save(torch.ones(1, 3), root / "nose" / "red" / "clip_feature.pt")
        assert Published(str(root)).fingerprint(tmp_path) != before

    @pytest.mark.parametrize(
        ("spoil", "message"),
        [
            (
                lambda root: (root / "mouth").rename(root / "lips"),
                "mouth: holds no domain; .* for the parts",
            ),
            (lambda root: (root / "eyes/red/diff_feature.pt").unlink(), r"diff_feature\.pt: no such file"),
            (
                lambda root: torch.save(torch.ones(11, 11), root / "eyes/red/diff_feature.pt"),
                "holds 11 vectors, eyes has 12 landmarks",
            ),
            (
                lambda root: torch.save({"code": Path}, root / "eyes/red/clip_feature.pt"),
                "does not hold a tensor alone",
            ),
            (lambda root: (root / "eyes/red/clip_feature.pt").write_bytes(b"PK"), "does not hold a tensor alone"),
            (
                lambda root: torch.save(torch.ones(1, 5), root / "eyes/red/clip_feature.pt"),
                "its embeddings have 5 numbers, this embedding 3; choose the one",
            ),
            (lambda root: narrow(root), r"5 channels.*11"),
        ],
    )
    def test_what_is_wrong_is_said(
        self, encoder: Encoder, tmp_path: Path, spoil: Callable[[Path], object], message: str
    ) -> None:
        root = publish(tmp_path / "target_domains", galleries.encode(CAST, encoder))
        spoil(root)
        with pytest.raises(UserError, match=message):
            find(Published(str(root)), character("new", "unknown", RED, 7), tmp_path)


class TestEncoder:
    def test_every_image_once(self, tmp_path: Path) -> None:
        images = [member.image for member in CAST]
        features = Waves()
        first = Encoder(features, MeanColour(), tmp_path, "cpu")
        made = first.features_of(images[:3])
        again = Encoder(features, MeanColour(), tmp_path, "cpu").features_of(images)
        assert features.extracted == [3, 1]
        assert all(np.array_equal(a, b) for a, b in zip(made, again, strict=False))

    def test_other_settings_are_other_features(self, tmp_path: Path) -> None:
        images = [CAST[0].image]
        one, other = Waves(), Waves(colour=0.3)
        a = Encoder(one, MeanColour(), tmp_path, "cpu").features_of(images)[0]
        b = Encoder(other, MeanColour(), tmp_path, "cpu").features_of(images)[0]
        assert other.extracted == [1]
        assert not np.array_equal(a, b)

    def test_how_many_go_through_at_once_is_not_part_of_the_key(self, tmp_path: Path) -> None:
        (tmp_path / "model.safetensors").write_bytes(b"weights")
        model = str(tmp_path)
        assert Clip(model, batch=1).identity() == Clip(model, batch=8).identity()
        assert Clip(model, dtype="fp32").identity() != Clip(model, dtype="fp16").identity()

    def test_guides_are_part_of_the_key(self, tmp_path: Path) -> None:
        features = Waves(guidance=True)
        encoder = Encoder(features, MeanColour(), tmp_path, "cpu")
        image, one, two = [CAST[0].image], np.ones((1, 3), np.float32), np.full((1, 3), 2, np.float32)
        results = [encoder.features_of(image, guide)[0] for guide in (one, two, one)]
        assert features.extracted == [1, 1]
        assert np.array_equal(results[0], results[2])
        assert not np.array_equal(results[0], results[1])
