"""The five parts of a face that FaceShot matches one by one: their landmarks, and where they are in an image."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from charachbench import pretrained
from charachbench.errors import UserError
from charachbench.landmarks import topology
from charachbench.protocols import Device
from methods.faceshot.model import Model

PARTS: Mapping[str, slice] = MappingProxyType(
    {
        "face_boundary": topology.BOUNDARY,
        "eye_brows": topology.EYEBROWS,
        "nose": topology.NOSE,
        "eyes": topology.EYES,
        "mouth": topology.MOUTH,
    }
)
"""The landmarks of each part, by the names of FaceShot's published gallery."""

PROMPTS: Mapping[str, str] = MappingProxyType(
    {"face_boundary": "a face", "eye_brows": "eyebrows", "nose": "a nose", "eyes": "eyes", "mouth": "a mouth"}
)
"""What a detector is asked for."""

Box = tuple[float, float, float, float]
"""Left, top, right and bottom edge in pixels: the whole of an image is (0, 0, width, height)."""


@dataclass(frozen=True)
class FoundPart:
    """Where a part is.

    Attributes:
        box: within the image, at least a pixel wide and high.
        score: the detector's, 0 to 1; None where nothing was found or looked for, and the box is the whole image.
    """

    box: Box
    score: float | None = None


def crop(image: np.ndarray, box: Box) -> np.ndarray:
    """What is in a box, its edges rounded to whole pixels.

    Args:
        image: uint8 (H, W, 3).
        box: it may reach beyond the image; of one that is wholly outside, the nearest pixels are taken.

    Returns:
        uint8 (h, w, 3), a view, h and w at least 1.
    """
    left, top, right, bottom = (round(edge) for edge in _within(box, image.shape[:2]))
    return image[top : max(bottom, top + 1), left : max(right, left + 1)]


def around(landmarks: np.ndarray, part: str, size: tuple[int, ...], margin: float = 0.25) -> Box:
    """Box around the landmarks of a part, for instance of an annotated image.

    Both sides are first made at least a quarter of the longer one, and a pixel, about their middle: closed eyes and
    straight brows have no height.

    Args:
        landmarks: (68, 2), (x, y) in pixels, a pixel's centre at whole numbers.
        part: one of ``PARTS``.
        size: of the image, height and width.
        margin: added on all four sides, as a share of the longer side.

    Returns:
        within the image, at least a pixel wide and high.
    """
    points = np.asarray(landmarks, dtype=np.float64)[PARTS[part]] + 0.5  # from centres to edges
    low, high = points.min(axis=0), points.max(axis=0)
    longer = float((high - low).max())
    half = np.maximum(high - low, max(longer / 4, 1)) / 2 + margin * longer
    middle = (low + high) / 2
    left, top, right, bottom = (float(edge) for edge in (*(middle - half), *(middle + half)))
    return _within((left, top, right, bottom), size)


def _within(box: Box, size: tuple[int, ...]) -> Box:
    """The box clipped to an image of ``size`` (height, width), at least a pixel of which stays in it."""
    left, right = _within_side(box[0], box[2], size[1])
    top, bottom = _within_side(box[1], box[3], size[0])
    return left, top, right, bottom


def _within_side(low: float, high: float, extent: int) -> tuple[float, float]:
    start = min(max(low, 0.0), extent - 1.0)
    return start, min(max(high, start + 1), float(extent))


class Parts(Model, ABC):
    """Finds the parts of a character's face.

    Attributes:
        whole_image: whether every part always is the whole image.
    """

    whole_image: ClassVar[bool] = False

    @abstractmethod
    def find(self, image: np.ndarray) -> dict[str, FoundPart]:
        """Find them.

        Args:
            image: uint8 RGB (H, W, 3).

        Returns:
            one for each of ``PARTS``, in that order.
        """


class WholeImage(Parts):
    """Every part is the whole image: nothing is looked for, no weights are needed."""

    whole_image: ClassVar[bool] = True

    def find(self, image: np.ndarray) -> dict[str, FoundPart]:
        """See ``Parts``."""
        return dict.fromkeys(PARTS, _whole(image))


class ZeroShot(Parts):
    """An open-vocabulary detector, asked for one part at a time: the best box counts.

    Where no box scores above the threshold, the part is the whole image. FaceShot asks a vision-language model whose
    code comes with its weights; these detectors need none such.

    Args:
        model: a folder or a name of the Hugging Face hub; OWL-ViT, OWLv2 or (MM) Grounding DINO.
        revision: branch, tag or commit on the hub; null for its main branch.
        prompts: what to ask for, for each of ``PARTS``; null for ``PROMPTS``.
        threshold: a score, 0 to 1, that a box must be above; what is a good one depends on the model.

    Reference: Minderer et al., "Scaling Open-Vocabulary Object Detection", NeurIPS 2023; Liu et al., "Grounding DINO:
    Marrying DINO with Grounded Pre-Training for Open-Set Object Detection", ECCV 2024.
    """

    def __init__(
        self,
        model: str = "google/owlv2-base-patch16-ensemble",
        revision: str | None = None,
        prompts: dict[str, str] | None = None,
        threshold: float = 0.1,
    ) -> None:
        prompts = dict(PROMPTS) if prompts is None else prompts
        if prompts.keys() != PARTS.keys():
            raise UserError(
                f"parts.prompts: is for {', '.join(prompts) or 'none'}; accepted is one for each of {', '.join(PARTS)}"
            )
        if empty := [part for part, prompt in prompts.items() if not prompt.strip(" .")]:
            raise UserError(f"parts.prompts.{empty[0]}: is empty; accepted are words such as '{PROMPTS[empty[0]]}'")
        if not 0 <= threshold < 1:
            raise UserError(f"parts.threshold={threshold}: accepted are numbers from 0 to below 1")
        self.model, self.revision, self.prompts, self.threshold = model, revision, prompts, threshold
        self._network: Any = None
        self._processor: Any = None

    def fingerprint(self) -> str:
        """Weights, and the package around them."""
        weights = pretrained.fingerprint(self.model, self.revision, "parts.model")
        return f"{weights} transformers {version('transformers')}"

    def load(self, device: Device) -> None:
        """See ``Parts``."""
        import torch
        from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

        source = (self.model, self.revision, "parts.model")
        self._processor = pretrained.load(AutoProcessor.from_pretrained, *source, trust_remote_code=False)
        network = pretrained.load_network(
            AutoModelForZeroShotObjectDetection.from_pretrained, *source, trust_remote_code=False
        )
        if network.config.model_type not in _FAMILIES:
            raise UserError(
                f"parts.model={self.model}: is of kind {network.config.model_type}; accepted are {', '.join(_FAMILIES)}"
            )
        self._network = network.to(device, torch.float32)

    def find(self, image: np.ndarray) -> dict[str, FoundPart]:
        """See ``Parts``."""
        return {part: self._find(image, self.prompts[part]) for part in PARTS}

    def _find(self, image: np.ndarray, prompt: str) -> FoundPart:
        import torch
        from PIL import Image

        height, width = image.shape[:2]
        text = _FAMILIES[self._network.config.model_type].format(prompt.strip(" ."))
        inputs = self._processor(images=Image.fromarray(image), text=text, return_tensors="pt")
        with torch.inference_mode():
            outputs = self._network(**inputs.to(self._network.device))
        # Of the image processor: with a single prompt no box needs a label, and the processors' own method for
        # labelled boxes has changed its name and its arguments over the versions.
        [found] = self._processor.image_processor.post_process_object_detection(
            outputs, threshold=self.threshold, target_sizes=[(height, width)]
        )
        if not len(found["scores"]):
            return _whole(image)
        best = int(found["scores"].argmax())
        left, top, right, bottom = found["boxes"][best].tolist()
        return FoundPart(_within((left, top, right, bottom), image.shape[:2]), float(found["scores"][best]))


_FAMILIES: Mapping[str, str] = MappingProxyType(
    {"owlv2": "{}", "owlvit": "{}", "grounding-dino": "{}.", "mm-grounding-dino": "{}."}
)
"""The detectors that can be asked, and how: Grounding DINO was trained on phrases that end with a full stop."""


def _whole(image: np.ndarray) -> FoundPart:
    height, width = image.shape[:2]
    return FoundPart((0.0, 0.0, float(width), float(height)))
