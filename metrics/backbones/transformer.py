"""Image embeddings of vision transformers, loaded through ``transformers``."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from charachbench import pretrained
from charachbench.errors import UserError
from charachbench.protocols import Device
from metrics.backbones.base import Backbone, in_batches
from metrics.sampling import checked

if TYPE_CHECKING:
    from torch import Tensor

Precision = Literal["fp32", "fp16", "bf16"]


class _Transformer(Backbone):
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __init__(self, model: str, revision: str | None, dtype: Precision, batch: int) -> None:
        checked("batch", batch)
        self.model, self.revision, self.dtype, self.batch = model, revision, dtype, batch

    @property
    def random(self) -> bool:
        """See ``Backbone``."""
        return False

    def protocol(self) -> dict[str, str | int | float]:
        """See ``Backbone``."""
        weights = pretrained.fingerprint(self.model, self.revision, "model")[:8]
        return {
            "backbone": f"{type(self).__name__} {self.model.rstrip('/').rpartition('/')[2]}",
            "weights": weights,
            "input": self.input,
            "precision": self.dtype,
        }

    @property
    @abstractmethod
    def input(self) -> str:
        """How frames are brought to the network, for the protocol."""

    def embed(self, frames: np.ndarray) -> np.ndarray:
        """See ``Backbone``: not normalised."""
        return in_batches(self._embed, frames, self.batch)

    def _embed(self, frames: np.ndarray) -> np.ndarray:
        import torch

        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (self.mean, self.std))
        with torch.inference_mode():
            pixels = torch.from_numpy(frames.copy()).permute(0, 3, 1, 2).float()
            inputs = (self.resized(pixels) / 255 - mean) / std
            found: np.ndarray = self.forward(inputs.to(self._network.device, self._network.dtype)).float().cpu().numpy()
        return found

    @abstractmethod
    def resized(self, pixels: Tensor) -> Tensor:
        """Frames (N, 3, H, W), 0 to 255, at the size of the network's input."""

    @abstractmethod
    def forward(self, inputs: Tensor) -> Tensor:
        """Normalised input (N, 3, H, W) -> (N, D)."""


class DinoV2(_Transformer):
    """DINOv2's class token after the final normalisation (N, D).

    The whole frame is seen, its aspect ratio given up: bicubic with antialiasing, kept to 0..255. So Frechet distances
    take it: Stein et al., "Exposing flaws of generative model evaluation metrics and their unfair treatment of
    diffusion models", NeurIPS 2023 (there ViT-L/14, here by default ViT-B/14).

    Args:
        model: DINOv2, with or without registers, a folder in transformers' layout or a name of the hub.
        revision: commit of ``model`` on the hub, null for its main branch; a folder has none.
        size: to which frames are resized, in pixels, a multiple of the patch's 14.
        dtype: of the network: ``fp32``, ``fp16`` or ``bf16``.
        batch: how many frames go through the network at once.

    Reference: Oquab et al., "DINOv2: learning robust visual features without supervision", TMLR 2024.
    """

    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

    def __init__(
        self,
        model: str = "facebook/dinov2-base",
        revision: str | None = "f9e44c814b77203eaa57a6bdbbd535f21ede1415",
        size: int = 224,
        dtype: Precision = "fp32",
        batch: int = 8,
    ) -> None:
        super().__init__(model, revision, dtype, batch)
        checked("size", size)
        self.size = size

    @property
    def input(self) -> str:
        """See above."""
        return f"{self.size} px, bicubic, antialiased"

    def build(self, device: Device) -> Any:
        """See ``Backbone``.

        Raises:
            UserError: the model is of another kind, or its patches do not suit the size.
        """
        from transformers import AutoModel

        network = pretrained.load_network(AutoModel.from_pretrained, self.model, self.revision, "model")
        kind = network.config.model_type
        if kind not in ("dinov2", "dinov2_with_registers"):
            raise UserError(f"model={self.model}: is of type {kind}; accepted are dinov2 and dinov2_with_registers")
        if self.size % network.config.patch_size:
            raise UserError(f"size={self.size}: accepted are multiples of the model's {network.config.patch_size}")
        return network.to(device, pretrained.torch_dtype(self.dtype, device))

    def resized(self, pixels: Tensor) -> Tensor:
        """See above."""
        return _bicubic(pixels, self.size, self.size).clamp(0, 255)

    def forward(self, inputs: Tensor) -> Tensor:
        """See above."""
        tokens: Tensor = self._network(inputs).last_hidden_state
        return tokens[:, 0]


class Clip(_Transformer):
    """CLIP's projected image embedding (N, D).

    The shorter side is resized, bicubic with antialiasing, and the middle square is seen: the whole of a square frame.
    Values beyond 0..255 that the cubic makes at edges stay, as in H2CEvaluator and pyiqa, which resize tensors too.

    Args:
        model: CLIP, a folder in transformers' layout or a name of the hub.
        revision: commit of ``model`` on the hub, null for its main branch; a folder has none.
        dtype: of the network: ``fp32``, ``fp16`` or ``bf16``.
        batch: how many frames go through the network at once.

    Reference: Radford et al., "Learning transferable visual models from natural language supervision", ICML 2021.
    """

    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    input = "middle square, bicubic, antialiased"

    def __init__(
        self,
        model: str = "openai/clip-vit-large-patch14",
        revision: str | None = "32bd64288804d66eefd0ccbe215aa642df71cc41",
        dtype: Precision = "fp32",
        batch: int = 8,
    ) -> None:
        super().__init__(model, revision, dtype, batch)

    def build(self, device: Device) -> Any:
        """See ``Backbone``."""
        from transformers import CLIPVisionModelWithProjection

        load = CLIPVisionModelWithProjection.from_pretrained
        network = pretrained.load_network(load, self.model, self.revision, "model")
        return network.to(device, pretrained.torch_dtype(self.dtype, device))

    def resized(self, pixels: Tensor) -> Tensor:
        """See above."""
        size, (height, width) = self._network.config.image_size, pixels.shape[2:]
        shorter = min(height, width)
        large = _bicubic(pixels, size * height // shorter, size * width // shorter)
        top, left = (round((side - size) / 2) for side in large.shape[2:])
        return large[..., top : top + size, left : left + size]

    def forward(self, inputs: Tensor) -> Tensor:
        """See above."""
        embeddings: Tensor = self._network(inputs).image_embeds
        return embeddings


def _bicubic(pixels: Tensor, height: int, width: int) -> Tensor:
    from torch.nn import functional

    return functional.interpolate(pixels, (height, width), mode="bicubic", antialias=True)
