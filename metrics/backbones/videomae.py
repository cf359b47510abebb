"""VideoMAE: video clips to features that weigh motion more than those of I3D.

References: Tong et al., "VideoMAE: masked autoencoders are data-efficient learners for self-supervised video
pre-training", NeurIPS 2022; Ge et al., "On the content bias in Fréchet video distance", CVPR 2024.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from charachbench import pretrained
from charachbench.errors import UserError
from charachbench.pretrained import torch_dtype
from charachbench.protocols import Device
from metrics.backbones.base import Backbone, in_batches
from metrics.backbones.transformer import Precision

if TYPE_CHECKING:
    import torch

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's red, green and blue, from 0 to 1."""


class VideoMae(Backbone):
    """The features that VideoMAE's classifier sees: the mean over all tokens, normalised (its ``fc_norm``).

    The content-debiased Fréchet video distance of Ge et al. (cd-fvd 0.1.1) takes the same features of a larger network,
    VideoMAE-v2 ViT-g fine-tuned on Something-Something v2, which ``transformers`` does not have: numbers of this one
    are not comparable with theirs. The default is the nearest that it has, ViT-B fine-tuned on the same videos
    (CC-BY-NC-4.0), whose classes differ by motion and not by what is seen.

    Frames are stretched to a square by bilinear interpolation with antialiasing, rounded to 8 bits, and normalised by
    ImageNet's mean and standard deviation, as the network was trained and as its ``VideoMAEImageProcessor`` does with
    square frames (others it crops to their middle). cd-fvd interpolates without antialiasing and does not normalise.

    Args:
        model: VideoMAE with a classifier, a folder in transformers' layout or a name of the hub.
        revision: on the hub; null for its main branch.
        resolution: of the network's input, in pixels.
        dtype: of the network: ``fp32``, ``fp16`` or ``bf16``.
        batch: how many clips go through the network at once; on a CPU more are not faster.
    """

    takes_clips: ClassVar[bool] = True

    def __init__(
        self,
        model: str = "MCG-NJU/videomae-base-finetuned-ssv2",
        revision: str | None = "873e7dfcd91479c8e10d75f7e402573dbdb6f98e",
        resolution: int = 224,
        dtype: Precision = "fp32",
        batch: int = 1,
    ) -> None:
        if resolution < 1:
            raise UserError(f"resolution={resolution}: accepted is the size that the model takes, such as 224")
        if batch < 1:
            raise UserError(f"batch={batch}: accepted are whole numbers from 1")
        self.model, self.revision, self.resolution, self.batch = model, revision, resolution, batch
        self.dtype: Precision = dtype

    @property
    def random(self) -> bool:
        """See ``Backbone``."""
        return False

    def protocol(self) -> dict[str, str | int | float]:
        """See ``Backbone``.

        Raises:
            UserError: there are no such weights on this machine, and ``revision`` is not a full commit.
        """
        return {
            "backbone": f"VideoMAE {self.model.rstrip('/').rpartition('/')[2]}",
            "weights": pretrained.fingerprint(self.model, self.revision, "model")[:8],
            "input": f"{self.resolution} px, bilinear, antialiased",
            "precision": self.dtype,
        }

    def build(self, device: Device) -> Callable[[torch.Tensor], torch.Tensor]:
        """The network: uint8 clips (N, T, H, W, 3) to float32 features (N, D) on the device.

        Raises:
            UserError: the weights are missing or of something else, or take frames of another size.
        """
        from transformers import VideoMAEForVideoClassification

        network = pretrained.load_network(
            VideoMAEForVideoClassification.from_pretrained, self.model, self.revision, "model", trust_remote_code=False
        )
        config = network.config
        if config.image_size != self.resolution:
            raise UserError(f"resolution={self.resolution}: accepted is {config.image_size}, which {self.model} takes")
        if network.fc_norm is None:
            raise UserError(f"model={self.model}: does not pool its tokens; accepted are those that do")
        dtype = torch_dtype(self.dtype, device)
        network = network.to(device, dtype)

        def features(clips: torch.Tensor) -> torch.Tensor:
            if clips.shape[1] != config.num_frames:
                raise UserError(
                    f"clips of {clips.shape[1]} frames: {self.model} takes clips of {config.num_frames} frames"
                )
            pixels = _normalised(clips, self.resolution).to(device, dtype)
            return network.fc_norm(network.videomae(pixels).last_hidden_state.mean(1)).float()

        return features

    def embed(self, frames: np.ndarray) -> np.ndarray:
        """See ``Backbone``.

        Args:
            frames: uint8 RGB (N, T, H, W, 3), T as many frames as the network takes, 16 for the default.

        Returns:
            float32 (N, D), D = 768 for the default.

        Raises:
            UserError: the clips have more or fewer frames.
        """
        return in_batches(self._embed, frames, self.batch)

    def _embed(self, clips: np.ndarray) -> np.ndarray:
        import torch

        with torch.inference_mode():
            return self._network(torch.from_numpy(clips)).cpu().numpy()


def _normalised(clips: torch.Tensor, size: int) -> torch.Tensor:
    """uint8 (N, T, H, W, 3) to float32 (N, T, 3, size, size) by ImageNet's statistics; on the CPU, as Pillow does."""
    import torch
    from torch.nn import functional

    frames = clips.flatten(0, 1).permute(0, 3, 1, 2)
    frames = functional.interpolate(frames, (size, size), mode="bilinear", antialias=True)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    return ((frames / 255 - mean) / std).unflatten(0, clips.shape[:2])
