"""DINOv2's patch tokens as features.

Reference: Oquab et al., "DINOv2: Learning Robust Visual Features without Supervision", TMLR 2024.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from charachbench import keys, pretrained
from charachbench.errors import UserError
from charachbench.pretrained import Precision, enough_memory, package_versions, torch_dtype
from charachbench.protocols import Device
from methods.faceshot.features.base import Features
from methods.faceshot.features.networks import finite, resized

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's red, green and blue, from 0 to 1."""
MODEL_TYPES = ("dinov2", "dinov2_with_registers")


class DinoV2(Features):
    """Patch tokens after one of the transformer's blocks, and after its final normalisation.

    Args:
        model: DINOv2, with or without registers, a folder in transformers' layout or a name of the hub.
        revision: on the hub; null for its main branch.
        size: to which images are resized, in pixels, a multiple of the patch's 14; 518 is what it was last trained at.
        layer: after how many blocks, from 1; null for all of them.
        dtype: ``auto``, ``fp32``, ``fp16`` or ``bf16``; auto is fp16 on a GPU, fp32 elsewhere.
        batch: how many images go through the network at once.
    """

    def __init__(
        self,
        model: str = "facebook/dinov2-base",
        revision: str | None = None,
        size: int = 518,
        layer: int | None = None,
        dtype: Precision = "auto",
        batch: int = 8,
    ) -> None:
        if size < 1:
            raise UserError(f"features.size={size}: accepted are multiples of the model's patches, such as 518")
        if layer is not None and layer < 1:
            raise UserError(f"features.layer={layer}: accepted are null and whole numbers from 1")
        if batch < 1:
            raise UserError(f"features.batch={batch}: accepted are whole numbers from 1")
        self.model, self.revision, self.size, self.layer, self.batch = model, revision, size, layer, batch
        self.dtype = dtype

    def fingerprint(self) -> str:
        """See ``Features``; does not need the network."""
        return keys.digest([pretrained.fingerprint(self.model, self.revision, "features.model"), package_versions()])

    def load(self, device: Device) -> None:
        """See ``Features``.

        Raises:
            UserError: weights are missing or of something else, the size or the layer does not suit the model, or the
                memory does not suffice.
        """
        from transformers import AutoModel

        options = {"use_safetensors": True, "trust_remote_code": False}
        network = pretrained.load_network(
            AutoModel.from_pretrained, self.model, self.revision, "features.model", **options
        )
        kind = network.config.model_type
        if kind not in MODEL_TYPES:
            raise UserError(f"features.model={self.model}: is of type {kind}; accepted are {', '.join(MODEL_TYPES)}")
        patch, depth = network.config.patch_size, network.config.num_hidden_layers
        if self.size % patch:
            low = self.size // patch * patch
            near = " and ".join(str(size) for size in (low, low + patch) if size)
            raise UserError(f"features.size={self.size}: accepted are multiples of {patch}, the nearest are {near}")
        if self.layer is not None and self.layer > depth:
            raise UserError(f"features.layer={self.layer}: accepted are null and whole numbers from 1 to {depth}")
        network.encoder.layer = network.encoder.layer[: self.layer]  # the blocks after it need not run
        self._dtype = torch_dtype(self.dtype, device)
        with enough_memory("these features", "features.batch, or set features.dtype=fp16"):
            self._network = network.to(device, self._dtype)
        self._cells = self.size // patch
        self._others = 1 + getattr(network.config, "num_register_tokens", 0)  # tokens before those of the patches

    def extract(self, images: Sequence[np.ndarray], guides: np.ndarray | None = None) -> np.ndarray:
        """See ``Features``.

        Raises:
            UserError: guides are given, the memory does not suffice, or the features are not finite.
        """
        import torch

        if guides is not None:
            raise UserError("these features take no guides; features that do are faceshot_sd_ip_adapter")
        pixels = (resized(images, self.size) / np.float32(255) - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
        parts = []
        with enough_memory("these features", "features.batch, or set features.dtype=fp16"), torch.inference_mode():
            for start in range(0, len(pixels), self.batch):
                inputs = torch.from_numpy(pixels[start : start + self.batch]).permute(0, 3, 1, 2)
                tokens = self._network(inputs.to(self._network.device, self._dtype)).last_hidden_state[
                    :, self._others :
                ]
                parts.append(tokens.float().mT.unflatten(2, (self._cells, self._cells)).contiguous().cpu())
        return finite(torch.cat(parts).numpy(), self._dtype)
