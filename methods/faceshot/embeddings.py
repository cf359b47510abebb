"""Image embeddings, by which a part of a character finds the domain of the gallery that looks most like it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from charachbench import pretrained
from charachbench.errors import UserError
from charachbench.pretrained import Precision, torch_dtype
from charachbench.protocols import Device
from methods.faceshot.model import Model


class Embedding(Model, ABC):
    """Turns images into vectors whose cosine says how alike they are."""

    @abstractmethod
    def embed(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        """Embed images, each independently of which others are embedded with it.

        Args:
            crops: at least one, uint8 RGB (h, w, 3), of any sizes.

        Returns:
            float32 (N, D), not normalised.
        """


class Clip(Embedding):
    """CLIP's projected image embedding, FaceShot's choice: the shorter side is resized, the middle square is seen.

    Args:
        model: a folder or a name of the Hugging Face hub; by default the ViT-H/14 that FaceShot and the IP-Adapter use.
        revision: branch, tag or commit on the hub; null for its main branch.
        batch: images at a time.
        dtype: of the network; ``auto`` is fp16 on a GPU and fp32 elsewhere.

    Reference: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021.
    """

    def __init__(
        self,
        model: str = "laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
        revision: str | None = None,
        batch: int = 8,
        dtype: Precision = "auto",
    ) -> None:
        if batch < 1:
            raise UserError(f"embedding.batch={batch}: accepted are whole numbers from 1")
        self.model, self.revision, self.batch, self.dtype = model, revision, batch, dtype
        self._network: Any = None
        self._processor: Any = None

    def fingerprint(self) -> str:
        """Weights, and the package that prepares the images."""
        weights = pretrained.fingerprint(self.model, self.revision, "embedding.model")
        return f"{weights} transformers {version('transformers')}"

    def load(self, device: Device) -> None:
        """See ``Model``."""
        from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

        source = (self.model, self.revision, "embedding.model")
        self._processor = pretrained.load(CLIPImageProcessor.from_pretrained, *source)
        network = pretrained.load_network(CLIPVisionModelWithProjection.from_pretrained, *source)
        self._network = network.to(device, torch_dtype(self.dtype, device))

    def embed(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        """See ``Embedding``."""
        return np.concatenate(
            [self._embed(crops[first : first + self.batch]) for first in range(0, len(crops), self.batch)]
        )

    def _embed(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        import torch
        from PIL import Image

        # PIL, because an array of three rows could be taken for one of three channels.
        pixels = self._processor(images=[Image.fromarray(crop) for crop in crops], return_tensors="pt").pixel_values
        with torch.inference_mode():
            embedded = self._network(pixels.to(self._network.device, self._network.dtype)).image_embeds
        found: np.ndarray = embedded.float().cpu().numpy()
        return found


class Edges(Embedding):
    """Without weights: in which directions edges run, and where (HOG).

    Colours are left out on purpose: a background says nothing about a face, and outweighs it.

    Args:
        cells: along each side of the crop, a histogram of gradient orientations each.

    Reference: Dalal and Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005 (scikit-image's).
    """

    def __init__(self, cells: int = 8) -> None:
        if cells < 1:
            raise UserError(f"embedding.cells={cells}: accepted are whole numbers from 1")
        self.cells = cells

    def fingerprint(self) -> str:
        """The package that computes it."""
        return f"scikit-image {version('scikit-image')}"

    def embed(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        """See ``Embedding``."""
        return np.stack([self._embed(crop) for crop in crops])

    def _embed(self, crop: np.ndarray) -> np.ndarray:
        from PIL import Image
        from skimage.color import rgb2lab
        from skimage.feature import hog

        side = self.cells * _CELL
        lightness = rgb2lab(Image.fromarray(crop).resize((side, side)))[..., 0]
        found: np.ndarray = hog(lightness, _ORIENTATIONS, pixels_per_cell=(_CELL, _CELL), cells_per_block=(1, 1))
        return found.astype(np.float32)


_CELL = 16  # pixels
_ORIENTATIONS = 8
