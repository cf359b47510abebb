"""Features and embeddings of images, each made once and kept on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from charachbench import untrusted
from charachbench.protocols import Device
from charachbench.store import write_array
from methods.faceshot.embeddings import Embedding
from methods.faceshot.features.base import Features
from methods.faceshot.model import Model


class Encoder:
    """Runs the two models; loads each only once something is asked for that is not on disk.

    Args:
        features: dense features.
        embedding: one vector per crop.
        cache: the folder.
        device: where models run.
    """

    def __init__(self, features: Features, embedding: Embedding, cache: Path, device: Device) -> None:
        self.features, self.embedding, self.device = features, embedding, device
        self.features_key, self.embedding_key = features.identity(), embedding.identity()
        self._features_folder = cache / "features" / self.features_key[:16]
        self._embedding_folder = cache / "embeddings" / self.embedding_key[:16]
        for folder in (self._features_folder, self._embedding_folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._loaded: set[Model] = set()

    def features_of(self, images: Sequence[np.ndarray], guides: np.ndarray | None = None) -> list[np.ndarray]:
        """Dense features, float32 (C, h, w) each; ``guides`` as in ``Features.extract``."""
        steered = [None] * len(images) if guides is None else list(guides)
        paths = [self._features_folder / _name(image, guide) for image, guide in zip(images, steered, strict=True)]
        todo = {path: index for index, path in enumerate(paths) if not path.is_file()}  # an image may come twice
        if todo:
            self._load(self.features)
            chosen = list(todo.values())
            some = None if guides is None else guides[chosen]
            for path, made in zip(todo, self.features.extract([images[i] for i in chosen], some), strict=True):
                write_array(path, made)
        return [untrusted.read_array(path) for path in paths]

    def embeddings_of(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        """float32 (N, D), not normalised."""
        paths = [self._embedding_folder / _name(crop) for crop in crops]
        todo = {path: crop for path, crop in zip(paths, crops, strict=True) if not path.is_file()}
        if todo:
            self._load(self.embedding)
            for path, made in zip(todo, self.embedding.embed(list(todo.values())), strict=True):
                write_array(path, made)
        return np.stack([untrusted.read_array(path) for path in paths])

    def _load(self, model: Model) -> None:
        if model not in self._loaded:
            model.load(self.device)
            self._loaded.add(model)


def _name(image: np.ndarray, guide: np.ndarray | None = None) -> str:
    content = hashlib.sha256(f"{image.shape}".encode() + image.tobytes())
    if guide is not None:
        content.update(guide.tobytes())
    return f"{content.hexdigest()[:32]}.npy"
