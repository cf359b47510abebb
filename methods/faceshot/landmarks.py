"""Appearance-guided landmark matching: how FaceShot finds 68 landmarks on any character."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from charachbench import keys
from charachbench.benchmark.types import Benchmark, Character
from charachbench.errors import UserError
from charachbench.landmarks import topology
from charachbench.protocols import Device, FoundLandmarks, LandmarkSource
from methods.faceshot import gallery as galleries
from methods.faceshot import matching
from methods.faceshot.embeddings import Embedding
from methods.faceshot.encoder import Encoder, identity
from methods.faceshot.features.base import Features
from methods.faceshot.gallery import Gallery, GallerySource, Target
from methods.faceshot.parts import PARTS, Parts, crop


class AppearanceGuided(LandmarkSource):
    """Matches each landmark's feature vector, taken from the gallery's most similar domain, in the character.

    The domain is chosen part by part, so that one character can mix domains. The character itself, and any of its name,
    is left out of the gallery.

    Args:
        gallery: annotated characters.
        features: dense features in which is matched.
        parts: finds the crops by which a domain is chosen.
        embedding: of these crops.
        regularise: spread the matched points evenly along each part's curve.
        refine: match to fractions of a pixel.

    Reference: Gao et al., "FaceShot: Bring Any Character into Life", ICLR 2025, section 3.1.
    """

    def __init__(
        self,
        gallery: GallerySource,
        features: Features,
        parts: Parts,
        embedding: Embedding,
        regularise: bool = True,
        refine: bool = False,
    ) -> None:
        self.gallery, self.features, self.parts, self.embedding = gallery, features, parts, embedding
        self.regularise, self.refine = regularise, refine
        self._found: dict[str, FoundLandmarks] = {}

    def prepare(self, cache: Path) -> None:
        """Note the cache, and take down what decides the result."""
        self._cache = cache
        models = [identity(model) for model in (self.features, self.parts, self.embedding)]
        self._fingerprint = keys.digest([self.gallery.fingerprint(cache), *models])

    def fingerprint(self, character: Character) -> str:  # noqa: ARG002
        """Of gallery and weights."""
        return self._fingerprint

    def load(self, device: Device) -> None:
        """Open the gallery; features of images that are kept already need no weights."""
        self._device = device
        self._encoder = Encoder(self.features, self.embedding, self._cache, device)
        self._gallery = self.gallery.open(self._encoder, self._cache)
        self.parts.load(device)

    def build_gallery(self, benchmark: Benchmark, folder: Path, cache: Path, device: Device) -> Path:
        """See ``LandmarkSource``: the file for ``gallery=stored gallery.path=...``."""
        encoder = Encoder(self.features, self.embedding, cache, device)
        return galleries.write(galleries.annotated(benchmark), encoder, folder, benchmark.name)

    def find(self, character: Character) -> FoundLandmarks:
        """See ``LandmarkSource``; works once for each character."""
        if character.fingerprint not in self._found:
            self._found[character.fingerprint] = self._match(character)
        return self._found[character.fingerprint]

    def _match(self, character: Character) -> FoundLandmarks:
        gallery, image = self._gallery.without(character), character.image
        boxes = self.parts.find(image)
        *crops, whole = self._encoder.embeddings_of([*(crop(image, boxes[part].box) for part in PARTS), image])
        notes, chosen = {}, {}
        for part, embedding in zip(PARTS, crops, strict=True):
            domains = gallery.domains(part)
            scores = {name: self._likeness(embedding, members) for name, members in domains.items()}
            chosen[part] = max(scores, key=lambda name: scores[name])
            notes[part] = {"domain": chosen[part], "scores": scores, "box": boxes[part].box, "found": boxes[part].score}
        points = np.empty((topology.COUNT, 2))
        for parts in _groups(chosen) if self.features.guided else [list(PARTS)]:
            indices = np.concatenate([np.arange(topology.COUNT)[PARTS[part]] for part in parts])
            members = {part: gallery.domains(part)[chosen[part]] for part in parts}
            if self.features.guided:
                features, vectors = self._guided(gallery, members, image, whole)
            else:
                features = self._encoder.features_of([image])[0]
                vectors = np.concatenate([_mean([target.vectors for target in each]) for each in members.values()])
            points[indices] = matching.match(
                features, vectors, image.shape[:2], refine=self.refine, device=self._device
            )
        if self.regularise:
            points = matching.regularise(points).astype(np.float64)
        captions = dict(zip(topology.PARTS, chosen.values(), strict=True))
        return FoundLandmarks(points, {"gallery": notes, "captions": captions})

    def _likeness(self, embedding: np.ndarray, members: Sequence[Target]) -> float:
        """Cosine with the domain's mean embedding: of crops, or of whole images where there are no crops to compare."""
        whole = self.parts.whole_image
        others = [target.image if whole and target.image is not None else target.crop for target in members]
        mean = _mean([_unit(other) for other in others])
        if mean.shape != embedding.shape:
            raise UserError(
                f"gallery: its embeddings have {mean.size} numbers, this embedding {embedding.size}; choose the one "
                "that the gallery was made with (embedding=clip for the published one)"
            )
        return float(_unit(mean) @ _unit(embedding))

    def _guided(
        self, gallery: Gallery, members: Mapping[str, Sequence[Target]], image: np.ndarray, whole: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Features of the character steered by the domain, and vectors of the domain steered by the character.

        Where the gallery's images are not at hand its vectors are used as they are.
        """
        first = next(iter(members.values()))
        guide = _mean([target.crop if target.image is None else target.image for target in first])
        features = self._encoder.features_of([image], guide[None])[0]
        others = [character for character in gallery.characters if character.domain == first[0].domain]
        if not others:
            return features, np.concatenate([_mean([target.vectors for target in each]) for each in members.values()])
        steered = self._encoder.features_of([other.image for other in others], np.repeat(whole[None], len(others), 0))
        vectors = _mean(
            [
                galleries.vectors_at(features_of_other, other.landmarks, other.image.shape[:2])
                for features_of_other, other in zip(steered, others, strict=True)
                if other.landmarks is not None
            ]
        )
        return features, np.concatenate([vectors[PARTS[part]] for part in members])


def _groups(chosen: Mapping[str, str]) -> list[list[str]]:
    """Parts by chosen domain."""
    return [[part for part in chosen if chosen[part] == domain] for domain in sorted(set(chosen.values()))]


def _mean(arrays: Sequence[np.ndarray]) -> np.ndarray:
    return np.asarray(np.mean(arrays, axis=0, dtype=np.float64), dtype=np.float32)


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-12)
