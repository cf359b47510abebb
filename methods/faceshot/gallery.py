"""The appearance gallery: annotated characters of many domains, as targets for landmark matching.

A target is what one annotated image says about one facial part: a feature vector at each of the part's landmarks, and
an embedding of the part's crop, by which a character finds the domain that looks most like it. Targets are averaged
over a domain only when a character is matched, so that the character itself can be left out.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from charachbench import keys, provenance
from charachbench.benchmark import files
from charachbench.benchmark.types import UNKNOWN, Benchmark, BenchmarkSource, Character
from charachbench.errors import UserError, reason_for
from charachbench.landmarks import topology
from charachbench.landmarks.detectors import Given
from charachbench.store import atomic_write, folder_name
from charachbench.untrusted import parse_json
from methods.faceshot.encoder import Encoder
from methods.faceshot.parts import PARTS, around, crop

SCHEMA = 1


@dataclass(frozen=True)
class Target:
    """What one image, or a published domain, holds for one part.

    Attributes:
        domain: animal, emoji, toy, ...; the character's name where its domain is unknown.
        character: whose image it is; empty where a domain was averaged by others.
        fingerprint: of that image; likewise.
        vectors: float32 (N, C), one per landmark of the part.
        crop: float32 (D,), embedding of the part's crop.
        image: float32 (D,), embedding of the whole image; None where not known.
    """

    domain: str
    character: str
    fingerprint: str
    vectors: np.ndarray
    crop: np.ndarray
    image: np.ndarray | None = None


@dataclass(frozen=True)
class Gallery:
    """Targets by part.

    Attributes:
        targets: by part name, at least one each.
        characters: the annotated images, where they are at hand: guided features are made anew of them.
    """

    targets: Mapping[str, Sequence[Target]]
    characters: Sequence[Character] = field(default=(), repr=False)

    def without(self, character: Character) -> Gallery:
        """The gallery without this character: its own image and any of the same name.

        Raises:
            UserError: a part has no target left.
        """

        def other(name: str, fingerprint: str) -> bool:
            return name != character.name and fingerprint != character.fingerprint

        left = {
            part: [target for target in targets if other(target.character, target.fingerprint)]
            for part, targets in self.targets.items()
        }
        if empty := [part for part, targets in left.items() if not targets]:
            raise UserError(
                f"gallery: nothing is left for {empty[0]} once '{character.name}' itself is left out; "
                "add other annotated characters to gallery.benchmarks"
            )
        kept = [member for member in self.characters if other(member.name, member.fingerprint)]
        return Gallery(left, kept)

    def images_of(self, targets: Sequence[Target]) -> list[Character]:
        """The annotated images that targets were made of, as far as they are at hand."""
        wanted = {target.fingerprint for target in targets}
        return [character for character in self.characters if character.fingerprint in wanted]

    def domains(self, part: str) -> dict[str, list[Target]]:
        """A part's targets by domain, sorted by name."""
        found: dict[str, list[Target]] = {}
        for target in sorted(self.targets[part], key=lambda target: target.domain):
            found.setdefault(target.domain, []).append(target)
        return found


class GallerySource(ABC):
    """Where a gallery comes from; what the configuration's ``gallery`` describes."""

    @abstractmethod
    def fingerprint(self, cache: Path) -> str:
        """Hash of all that decides ``open``.

        Raises:
            UserError: it is missing or unreadable.
        """

    @abstractmethod
    def open(self, encoder: Encoder, cache: Path) -> Gallery:
        """The gallery.

        Args:
            encoder: makes features and embeddings of images.
            cache: a folder for what can be made again.

        Raises:
            UserError: it lacks a part, or was made with other features than the encoder's.
        """


class Annotated(GallerySource):
    """The annotated characters of benchmarks.

    Args:
        benchmarks: by any name; ``null`` leaves one out.
    """

    def __init__(self, benchmarks: dict[str, BenchmarkSource | None]) -> None:
        self.benchmarks = {name: source for name, source in benchmarks.items() if source is not None}
        if not self.benchmarks:
            raise UserError(
                "gallery.benchmarks: is empty; accepted is at least one benchmark with annotated characters"
            )

    def characters(self, cache: Path) -> list[Character]:
        """All annotated characters, each image once."""
        found: dict[str, Character] = {}
        for source in self.benchmarks.values():
            for character in annotated(source.open_characters(Given(), cache)):
                found.setdefault(character.fingerprint, character)
        return list(found.values())

    def fingerprint(self, cache: Path) -> str:
        """Of names, domains, images and annotations."""
        return _identity(self.characters(cache))

    def open(self, encoder: Encoder, cache: Path) -> Gallery:
        """See ``GallerySource``."""
        return encode(self.characters(cache), encoder)


class Stored(GallerySource):
    """A file that ``charachbench gallery`` made: annotated images with their features and embeddings.

    Args:
        path: the ``.safetensors`` file.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path).expanduser()

    def fingerprint(self, cache: Path) -> str:  # noqa: ARG002
        """Of the annotated images; the features are checked when it is opened."""
        return str(self._read()[0]["identity"])

    def open(self, encoder: Encoder, cache: Path) -> Gallery:  # noqa: ARG002
        """See ``GallerySource``."""
        about, tensors = self._read()
        for what, mine in (("features", encoder.features_key), ("embedding", encoder.embedding_key)):
            if about[what]["key"] != mine:
                raise UserError(
                    f"{self.path}: was made with other {what} ({about[what]['settings']}); choose these, or make it "
                    "again with `charachbench gallery`"
                )
        characters = [
            Character(
                name, domain, fingerprint, partial(tensors.__getitem__, f"image/{index}"),
                partial(tensors["landmarks"].__getitem__, index), fingerprint,
            )
            for index, (name, domain, fingerprint) in enumerate(about["characters"])
        ]  # fmt: skip
        return _assemble(characters, tensors["vectors"], tensors["embeddings"])

    def _read(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.path, framework="numpy") as file:
                about = parse_json((file.metadata() or {})["charachbench"], str(self.path))
                if isinstance(about, dict) and about.get("schema") != SCHEMA:
                    raise UserError(f"{self.path}: is of another version; make it again with `charachbench gallery`")
                _check_about(about)
                images = [f"image/{index}" for index in range(len(about["characters"]))]
                tensors = {name: file.get_tensor(name) for name in ("landmarks", "vectors", "embeddings", *images)}
            _check_tensors(tensors, len(images))
        except FileNotFoundError as error:
            raise UserError(f"gallery.path={self.path}: no such file; `charachbench gallery` makes one") from error
        # its reader has no names for all kinds of numbers
        except (OSError, SafetensorError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise UserError(
                f"gallery.path={self.path}: is not a gallery ({reason_for(error)}); accepted is a .safetensors file "
                "that `charachbench gallery` made"
            ) from error
        return about, tensors


def _check_about(about: Any) -> None:
    """Raises ``ValueError``, ``KeyError`` or ``TypeError`` where that is not what ``write`` writes."""
    characters = about["characters"]
    texts = [about["identity"], about["features"]["key"], about["embedding"]["key"]]
    texts += [text for character in characters for text in character]
    if not all(isinstance(text, str) for text in texts) or any(len(character) != 3 for character in characters):
        raise ValueError("its header lacks what a gallery has")
    _ = about["features"]["settings"], about["embedding"]["settings"]


def _check_tensors(tensors: dict[str, np.ndarray], count: int) -> None:
    """Raises ``ValueError`` where they are not those of so many characters."""
    images = [tensor for name, tensor in tensors.items() if name.startswith("image/")]
    landmarks, vectors, embeddings = (tensors[name] for name in ("landmarks", "vectors", "embeddings"))
    shapes = [landmarks.shape, vectors.shape[:-1], embeddings.shape[:-1]]
    if not count or shapes != [(count, topology.COUNT, 2), (count, topology.COUNT), (count, len(PARTS) + 1)]:
        raise ValueError(f"tensors are of other shapes than of {count} characters")
    if any(image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape for image in images):
        raise ValueError("images are not uint8 RGB")
    if not all(each.dtype.kind == "f" and np.isfinite(each).all() for each in (landmarks, vectors, embeddings)):
        raise ValueError("tensors hold what are no finite numbers")


class Published(GallerySource):
    """The layout in which FaceShot's authors give out their gallery: one average per part and domain.

    ``<root>/<part>/<domain>/{diff_feature,clip_feature}.pt``, tensors of shape (N, C), or (1, N, C), and (1, D). Whose
    images they are is not in the files, so no character can be left out. Loaded as data, never unpickled as code.

    Args:
        root: the folder ``target_domains``.
    """

    def __init__(self, root: str) -> None:
        self.root = Path(root).expanduser()

    def fingerprint(self, cache: Path) -> str:  # noqa: ARG002
        """Of all its files."""
        paths = [path for part in PARTS for folder in self._domains(part) for path in sorted(folder.glob("*.pt"))]
        return keys.digest({str(path.relative_to(self.root)): files.digest(path) for path in paths})

    def open(self, encoder: Encoder, cache: Path) -> Gallery:  # noqa: ARG002
        """See ``GallerySource``; whether the vectors suit the features is seen when they are matched."""
        return Gallery({part: [self._target(part, folder) for folder in self._domains(part)] for part in PARTS})

    def _domains(self, part: str) -> list[Path]:
        if not self.root.is_dir():
            raise UserError(
                f"gallery.root={self.root}: no such folder; get the folder target_domains of Gaojunyao/FaceShot from "
                "the Hugging Face hub"
            )
        folder = self.root / part
        found = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
        if not found:
            raise UserError(
                f"{folder}: holds no domain; a published gallery has <root>/<part>/<domain>/diff_feature.pt and "
                f"clip_feature.pt for the parts {', '.join(PARTS)}"
            )
        return found

    def _target(self, part: str, folder: Path) -> Target:
        count = len(range(*PARTS[part].indices(topology.COUNT)))
        vectors = _tensor(folder / "diff_feature.pt")
        vectors = vectors.reshape(-1, vectors.shape[-1])
        if len(vectors) != count:
            raise UserError(f"{folder / 'diff_feature.pt'}: holds {len(vectors)} vectors, {part} has {count} landmarks")
        return Target(folder.name, "", "", vectors, _tensor(folder / "clip_feature.pt").reshape(-1))


def _tensor(path: Path) -> np.ndarray:
    import pickle

    import torch

    try:
        tensor = torch.load(path, map_location="cpu", weights_only=True)
        return np.asarray(tensor.detach().float().numpy())
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; a published gallery has one for each part and domain") from error
    except (
        OSError,
        RuntimeError,
        EOFError,
        AttributeError,
        TypeError,
        ValueError,
        KeyError,
        pickle.UnpicklingError,
    ) as error:
        raise UserError(f"{path}: does not hold a tensor alone ({type(error).__name__})") from error


def annotated(benchmark: Benchmark) -> list[Character]:
    """A benchmark's annotated characters.

    Raises:
        UserError: it has none.
    """
    found = [character for character in benchmark.characters if character.load_landmarks is not None]
    if not found:
        raise UserError(
            f"gallery: no character of '{benchmark.name}' is annotated; put its 68 landmarks into <character>.npy "
            "beside the picture"
        )
    return found


def encode(characters: Sequence[Character], encoder: Encoder) -> Gallery:
    """The gallery of annotated characters."""
    return _assemble(characters, *_encoded(characters, encoder))


def write(characters: Sequence[Character], encoder: Encoder, folder: Path, name: str) -> Path:
    """Write a gallery for ``Stored``: images, landmarks, features, embeddings and where they come from.

    Args:
        characters: annotated.
        encoder: makes features and embeddings.
        folder: where to.
        name: what the file is called, before the hash of all that decides it.
    """
    from safetensors.numpy import save_file

    vectors, embeddings = _encoded(characters, encoder)
    tensors = {f"image/{index}": character.image for index, character in enumerate(characters)}
    tensors |= {"landmarks": _landmarks(characters), "vectors": vectors, "embeddings": embeddings}
    about = {
        "schema": SCHEMA,
        "identity": _identity(characters),
        "characters": [(character.name, character.domain, character.fingerprint) for character in characters],
        "features": {"key": encoder.features_key, "settings": encoder.features.settings()},
        "embedding": {"key": encoder.embedding_key, "settings": encoder.embedding.settings()},
        "code": provenance.code(),
        "packages": provenance.packages(),
    }
    tensors = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    key = keys.digest([about[part] for part in ("schema", "identity", "features", "embedding")])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{folder_name(name, key)}.safetensors"
    atomic_write(path, lambda aside: save_file(tensors, aside, metadata={"charachbench": json.dumps(about)}))
    return path


def vectors_at(features: np.ndarray, points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Features at landmarks, of unit length.

    Args:
        features: (C, h, w), as ``Features.extract`` gives them.
        points: float (N, 2), (x, y) in pixels.
        size: (height, width) of the image.

    Returns:
        float32 (N, C): sampled as bilinear upsampling (half-pixel centres) samples them, then normalised.
    """
    cells = np.array(features.shape[:0:-1])  # (w, h)
    place = np.clip((points + 0.5) * cells / np.array(size[::-1]) - 0.5, 0, cells - 1)
    low = np.minimum(place.astype(int), np.maximum(cells - 2, 0))
    high, share = np.minimum(low + 1, cells - 1), place - low
    (x0, y0), (x1, y1), (u, v) = low.T, high.T, share.T
    top = features[:, y0, x0] * (1 - u) + features[:, y0, x1] * u
    bottom = features[:, y1, x0] * (1 - u) + features[:, y1, x1] * u
    vectors = (top * (1 - v) + bottom * v).T
    lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return np.asarray(vectors / lengths, dtype=np.float32)


def vectors_of(characters: Sequence[Character], features: Sequence[np.ndarray]) -> np.ndarray:
    """``vectors_at`` the landmarks of annotated characters, float32 (M, 68, C)."""
    places = zip(features, _landmarks(characters), characters, strict=True)
    return np.stack([vectors_at(own, points, character.image.shape[:2]) for own, points, character in places])


def _encoded(characters: Sequence[Character], encoder: Encoder) -> tuple[np.ndarray, np.ndarray]:
    """Vectors, float32 (M, 68, C), and embeddings of the parts' crops and the whole image, float32 (M, 6, D)."""
    images = [character.image for character in characters]
    if encoder.features.guided:  # by the character that is matched: made when there is one
        vectors = np.empty((len(images), topology.COUNT, 0), np.float32)
    else:
        vectors = vectors_of(characters, encoder.features_of(images))
    crops = []
    for image, points in zip(images, _landmarks(characters), strict=True):
        crops += [*(crop(image, around(points, part, image.shape[:2])) for part in PARTS), image]
    return vectors, encoder.embeddings_of(crops).reshape(len(images), len(PARTS) + 1, -1)


def _assemble(characters: Sequence[Character], vectors: np.ndarray, embeddings: np.ndarray) -> Gallery:
    targets: dict[str, list[Target]] = {part: [] for part in PARTS}
    for character, own_vectors, (*crops, image) in zip(characters, vectors, embeddings, strict=True):
        # Characters of unknown kinds have nothing in common that an average would show: each stands for itself.
        domain = character.name if character.domain == UNKNOWN else character.domain
        for (part, points), embedding in zip(PARTS.items(), crops, strict=True):
            target = Target(domain, character.name, character.fingerprint, own_vectors[points], embedding, image)
            targets[part].append(target)
    return Gallery(targets, characters)


def _landmarks(characters: Sequence[Character]) -> np.ndarray:
    return np.stack([character.landmarks for character in characters if character.landmarks is not None])


def _identity(characters: Sequence[Character]) -> str:
    return keys.digest([[c.name, c.domain, c.fingerprint, c.annotation_fingerprint] for c in characters])
