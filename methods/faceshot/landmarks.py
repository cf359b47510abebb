"""Appearance-guided landmark matching: how FaceShot finds 68 landmarks on any character."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from charachbench import keys
from charachbench.benchmark.types import Benchmark, Character
from charachbench.errors import UserError
from charachbench.landmarks import topology
from charachbench.protocols import Device, FoundLandmarks, LandmarkSource, halve
from methods.faceshot import gallery as galleries
from methods.faceshot import matching
from methods.faceshot.embeddings import Embedding
from methods.faceshot.encoder import Encoder
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
        size: side of the square in which points are matched and regularised, in pixels.
        regularise: spread the matched points evenly along each part's curve, in whole pixels.
        refine: match to fractions of a pixel.

    Reference: Gao et al., "FaceShot: Bring Any Character into Life", ICLR 2025, section 3.1.
    """

    def __init__(
        self,
        gallery: GallerySource,
        features: Features,
        parts: Parts,
        embedding: Embedding,
        size: int = 512,
        regularise: bool = True,
        refine: bool = False,
    ) -> None:
        if size < 1:
            raise UserError(f"landmarks.source.size={size}: accepted are whole numbers from 1")
        self.gallery, self.features, self.parts, self.embedding = gallery, features, parts, embedding
        self.size, self.regularise, self.refine = size, regularise, refine
        self._found: dict[str, FoundLandmarks] = {}

    def prepare(self, cache: Path) -> None:
        """Note the cache, and take down what decides the result."""
        self._cache = cache
        models = [model.identity() for model in (self.features, self.parts, self.embedding)]
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

    def take_less(self) -> bool:
        """Have fewer images go through the networks at once."""
        took = [halve(model, "batch") for model in (self.features, self.embedding) if hasattr(model, "batch")]
        return any(took)

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
        chosen: dict[str, Sequence[Target]] = {}
        notes = {}
        for part, embedding in zip(PARTS, crops, strict=True):
            domains = gallery.domains(part)
            scores = {name: self._likeness(embedding, members) for name, members in domains.items()}
            domain = max(scores, key=lambda name: scores[name])
            chosen[part] = domains[domain]
            notes[part] = {"domain": domain, "scores": scores, "box": boxes[part].box, "found": boxes[part].score}
        points = np.empty((topology.COUNT, 2))
        for features, vectors in self._searches(gallery, chosen, image, whole):
            indices = np.concatenate([np.arange(topology.COUNT)[PARTS[part]] for part in vectors])
            targets = np.concatenate(list(vectors.values()))
            points[indices] = matching.match(features, targets, self.size, refine=self.refine, device=self._device)
        if self.regularise:
            points = matching.regularise(points)
        points = (points + 0.5) * np.array(image.shape[1::-1]) / self.size - 0.5
        captions = {name: notes[part]["domain"] for name, part in zip(topology.PARTS, PARTS, strict=True)}
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

    def _searches(
        self, gallery: Gallery, chosen: Mapping[str, Sequence[Target]], image: np.ndarray, whole: np.ndarray
    ) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """Features of the character, and what is matched in them: target vectors by part.

        Guided features are made for each domain anew: the character's steered by the domain, the domain's images by the
        character. Where these images are not at hand, their part's vectors are used as they are.
        """
        stored = {part: _mean([target.vectors for target in members]) for part, members in chosen.items()}
        if not self.features.guided:
            yield self._encoder.features_of([image])[0], stored
            return
        for parts in _steered_alike(chosen):
            members = chosen[parts[0]]
            guide = _mean([target.crop if target.image is None else target.image for target in members])
            features = self._encoder.features_of([image], guide[None])[0]
            others = gallery.images_of(members)
            if not others:
                yield features, {part: stored[part] for part in parts}
                continue
            theirs = self._encoder.features_of(
                [other.image for other in others], np.repeat(whole[None], len(others), 0)
            )
            vectors = _mean(galleries.vectors_of(others, theirs))
            yield features, {part: vectors[PARTS[part]] for part in parts}


def _steered_alike(chosen: Mapping[str, Sequence[Target]]) -> list[list[str]]:
    """Parts of one domain together, but for those that are known by their own crops alone."""
    groups: dict[str, list[str]] = {}
    for part, members in chosen.items():
        groups.setdefault(part if members[0].image is None else members[0].domain, []).append(part)
    return list(groups.values())


def _mean(arrays: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    return np.asarray(np.mean(arrays, axis=0, dtype=np.float64), dtype=np.float32)


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-12)
