"""ArcFace's residual network, by which faces are told apart.

References: Deng et al., "ArcFace: additive angular margin loss for deep face recognition", CVPR 2019; the improved
residual network ("iresnet") of insightface's ``arcface_torch``, whose ``backbone.pth`` files load here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from charachbench.protocols import Device
from charachbench.random_weights import calibrate, initialise, pictures
from metrics.backbones.base import RANDOM, Backbone, in_batches, load_strictly, weights_in_words
from metrics.sampling import checked

if TYPE_CHECKING:
    from torch import Tensor, nn

SIZE = 112
"""Of the input, in pixels along each side."""
DEPTHS = {"r18": (2, 2, 2, 2), "r50": (3, 4, 14, 3), "r100": (3, 13, 30, 3)}
"""Blocks of each of the four stages."""


class ArcFace(Backbone):
    """Identity embeddings (N, 512) of faces, or of whole frames.

    Args:
        weights: name in the registry, path of a file of ``arcface_torch``, or ``random``.
        depth: of the network; must be that of the weights.
        resize: how frames that are not 112 x 112 get there, the aspect ratio given up: ``bilinear`` with antialiasing;
            ``nearest``, without, as in H2CEvaluator, by which the FaceShot paper's authors measure.
        batch: how many frames go through the network at once.
        seed: of random weights.
    """

    def __init__(
        self,
        weights: str = "arcface_r100",
        depth: Literal["r18", "r50", "r100"] = "r100",
        resize: Literal["bilinear", "nearest"] = "bilinear",
        batch: int = 8,
        seed: int = 0,
    ) -> None:
        checked("batch", batch)
        self.weights, self.depth, self.resize, self.batch, self.seed = weights, depth, resize, batch, seed

    @property
    def random(self) -> bool:
        """See ``Backbone``."""
        return self.weights == RANDOM

    def protocol(self) -> dict[str, str | int | float]:
        """See ``Backbone``."""
        return {
            "backbone": f"ArcFace {self.depth}",
            "weights": weights_in_words(self.weights, self.seed),
            "input": f"{SIZE} px, {'bilinear, antialiased' if self.resize == 'bilinear' else 'nearest'}",
        }

    def build(self, device: Device) -> nn.Module:
        """See ``Backbone``.

        Raises:
            UserError: the weights are missing, or not of this network.
        """
        import torch

        network = _network(DEPTHS[self.depth]).eval().requires_grad_(False)
        if self.random:
            initialise(network, self.seed)
            calibrate(network, lambda: network(_inputs(pictures(8, SIZE), "bilinear")))
        else:
            load_strictly(network, self.weights)
        return network.to(memory_format=torch.channels_last).to(device)

    def embed(self, frames: np.ndarray) -> np.ndarray:
        """See ``Backbone``: float32 (N, 512), not normalised."""
        return in_batches(self._embed, frames, self.batch)

    def _embed(self, frames: np.ndarray) -> np.ndarray:
        import torch

        device = next(self._network.parameters()).device
        with torch.inference_mode():
            found: np.ndarray = self._network(_inputs(frames, self.resize).to(device)).cpu().numpy()
        return found


def _inputs(frames: np.ndarray, resize: Literal["bilinear", "nearest"]) -> Tensor:
    """Frames (N, H, W, 3) as the network takes them: float32 (N, 3, 112, 112), -1 to 1."""
    import torch
    from torch.nn import functional

    pixels = torch.from_numpy(frames.copy()).permute(0, 3, 1, 2).float() / 127.5 - 1
    return functional.interpolate(pixels, (SIZE, SIZE), mode=resize, antialias=resize == "bilinear")


def _network(depths: tuple[int, ...]) -> nn.Module:
    """The network, its modules named as in ``arcface_torch``; (N, 3, 112, 112) -> (N, 512)."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, before: int, after: int, stride: int) -> None:
            super().__init__()
            self.bn1 = nn.BatchNorm2d(before)
            self.conv1 = nn.Conv2d(before, after, 3, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(after)
            self.prelu = nn.PReLU(after)
            self.conv2 = nn.Conv2d(after, after, 3, stride, padding=1, bias=False)
            self.bn3 = nn.BatchNorm2d(after)
            if stride > 1:
                self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out = self.bn3(self.conv2(self.prelu(self.bn2(self.conv1(self.bn1(x))))))
            return out + (self.downsample(x) if hasattr(self, "downsample") else x)

    network = nn.Sequential()
    network.add_module("conv1", nn.Conv2d(3, 64, 3, padding=1, bias=False))
    network.add_module("bn1", nn.BatchNorm2d(64))
    network.add_module("prelu", nn.PReLU(64))
    widths = (64, 64, 128, 256, 512)
    for stage, depth in enumerate(depths, 1):
        before, after = widths[stage - 1 : stage + 1]
        blocks = [Block(before, after, 2), *(Block(after, after, 1) for _ in range(depth - 1))]
        network.add_module(f"layer{stage}", nn.Sequential(*blocks))
    network.add_module("bn2", nn.BatchNorm2d(512))
    network.add_module("flatten", nn.Flatten())
    network.add_module("fc", nn.Linear(512 * 7 * 7, 512))
    network.add_module("features", nn.BatchNorm1d(512))
    return network
