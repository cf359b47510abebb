"""Quality: does a frame look good, with nothing to compare it with?

The networks are written out here to hold the weights of their authors. ``pyiqa``, against which the tests hold them,
downloads weights whenever it builds one, and those of its HyperIQA are another training, with scores from 0 to 1.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from charachbench.errors import UserError
from charachbench.protocols import Device, Metric, Sample
from charachbench.random_weights import calibrate, initialise, pictures
from metrics.backbones.base import RANDOM, load_strictly, weights_in_words
from metrics.backbones.transformer import Clip
from metrics.sampling import checked, spread

if TYPE_CHECKING:
    from torch import Tensor, nn

EMBEDDING = 768
"""Length of the embeddings that the aesthetic head takes."""
HEIGHT, WIDTH, CROP = 512, 384, 224
"""What HyperIQA resizes frames to, and what it sees of them, in pixels."""


class _Quality(Metric):
    family: ClassVar[str] = "quality"
    direction: ClassVar[Literal["up", "down"]] = "up"

    def __init__(self, weights: str, frames: int | None, batch: int, seed: int) -> None:
        checked("frames", frames)
        checked("batch", batch)
        self.weights, self.frames, self.batch, self.seed = weights, frames, batch, seed
        self._network: Any = None

    @property
    def random(self) -> bool:
        """See ``Metric``."""
        return self.weights == RANDOM

    def protocol(self) -> dict[str, str | int | float]:
        """See ``Metric``."""
        weights = weights_in_words(self.weights, self.seed)
        return {"weights": weights, "frames": self.frames or "all"}

    def extract(self, sample: Sample) -> np.ndarray:
        """float64 (min(T, frames),)."""
        chosen = spread(len(sample.video), self.frames)
        return self.scores(sample.video.frames[chosen], chosen)

    @abstractmethod
    def scores(self, frames: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Of frames uint8 (N, H, W, 3), each by itself; ``indices`` (N,) say which of the video they are."""


class HyperIqa(_Quality):
    """Blind quality by HyperIQA trained on KonIQ-10k, about 0 to 100; the mean over crops of each frame.

    As in H2CEvaluator, by which the FaceShot paper's authors measure: the frame is resized to 384 x 512 (width x
    height, whatever its aspect ratio), of which 224 x 224 crops are seen. Here every frame has crops of its own, always
    the same ones for a place in the video and a seed.

    Args:
        weights: name in the registry, path of the authors' ``koniq_pretrained.pkl``, or ``random``.
        frames: how many frames of a video to look at, spread evenly; null takes all.
        crops: of each frame.
        batch: how many crops go through the network at once.
        seed: of the crops, and of random weights.

    Reference: Su et al., "Blindly assess image quality in the wild guided by a self-adaptive hyper network", CVPR 2020.
    """

    def __init__(
        self, weights: str = "hyperiqa", frames: int | None = 16, crops: int = 10, batch: int = 10, seed: int = 0
    ) -> None:
        super().__init__(weights, frames, batch, seed)
        checked("crops", crops)
        checked("seed", seed, least=0)
        self.crops = crops

    def protocol(self) -> dict[str, str | int | float]:
        """See ``Metric``."""
        seen = f"{WIDTH} x {HEIGHT} px, {self.crops} crops of {CROP}, seed {self.seed}"
        return {"backbone": "HyperIQA", **super().protocol(), "input": seen}

    def load(self, device: Device) -> None:
        """See ``Metric``.

        Raises:
            UserError: the weights are missing, or not of this network.
        """
        network = hyper_network().eval().requires_grad_(False)
        if self.random:
            initialise(network, self.seed)
            calibrate(network, lambda: network(_normalised(_tensor(pictures(4, CROP)))))
        else:
            load_strictly(network, self.weights)
        self._network = network.to(device)

    def scores(self, frames: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """See above."""
        return np.array([self._score(frame, index) for frame, index in zip(frames, indices, strict=True)])

    def _score(self, frame: np.ndarray, index: int) -> float:
        import torch
        from torch.nn import functional

        device = next(self._network.parameters()).device
        with torch.inference_mode():
            resized = functional.interpolate(
                _tensor(frame[None]).to(device), (HEIGHT, WIDTH), mode="bilinear", antialias=True
            )
            inputs = _normalised(resized)
            crops = [inputs[0, :, y : y + CROP, x : x + CROP] for y, x in corners(self.crops, self.seed, int(index))]
            batches = torch.stack(crops).split(self.batch)
            return float(torch.cat([self._network(batch) for batch in batches]).double().mean())


def corners(crops: int, seed: int, index: int) -> np.ndarray:
    """Upper left corners (y, x) of the crops of one frame, int (crops, 2), by the frame's place in its video.

    Draws are the raw output of PCG64, whose stream NumPy promises to keep (NEP 19).
    """
    draws = np.random.PCG64([seed, index]).random_raw(2 * crops).reshape(crops, 2)
    return (draws % np.array([HEIGHT - CROP + 1, WIDTH - CROP + 1], np.uint64)).astype(int)


class LaionAesthetic(_Quality):
    """LAION's improved aesthetic predictor, about 1 to 10: a linear head on CLIP's normalised image embedding.

    Args:
        backbone: CLIP; the head was trained on the embeddings of OpenAI's ViT-L/14.
        weights: of the head: name in the registry, path of a file, or ``random``.
        frames: how many frames of a video to look at, spread evenly; null takes all.
        seed: of random weights.

    Reference: Schuhmann, "CLIP+MLP aesthetic score predictor", github.com/christophschuhmann, 2022.
    """

    def __init__(
        self, backbone: Clip, weights: str = "laion_aesthetic", frames: int | None = 16, seed: int = 0
    ) -> None:
        super().__init__(weights, frames, backbone.batch, seed)
        self.backbone = backbone

    def protocol(self) -> dict[str, str | int | float]:
        """See ``Metric``."""
        clip = self.backbone.protocol()
        return clip | super().protocol() | {"weights": f"{clip['weights']}, head {super().protocol()['weights']}"}

    def load(self, device: Device) -> None:
        """See ``Metric``.

        Raises:
            UserError: weights are missing, or not of these networks.
        """
        self.backbone.load(device)
        network = aesthetic_head().eval().requires_grad_(False)
        if self.random:
            initialise(network, self.seed)
        else:
            load_strictly(network, self.weights)
        self._network = network

    def scores(self, frames: np.ndarray, indices: np.ndarray) -> np.ndarray:  # noqa: ARG002 - each by itself
        """See above.

        Raises:
            UserError: the embeddings are not of the length that the head was trained on.
        """
        import torch
        from torch.nn import functional

        embeddings = torch.from_numpy(self.backbone.embed(frames))
        if embeddings.shape[1] != EMBEDDING:
            raise UserError(
                f"backbone.model={self.backbone.model}: gives embeddings of length {embeddings.shape[1]}; accepted are "
                f"those of length {EMBEDDING}, by OpenAI's CLIP ViT-L/14"
            )
        with torch.inference_mode():
            scores: np.ndarray = self._network(functional.normalize(embeddings))[:, 0].double().numpy()
        return scores


def aesthetic_head() -> nn.Module:
    """(N, 768) -> (N, 1); modules named as in the file of weights, which dropouts, idle here, are numbered in too."""
    from torch import nn

    sizes = {0: (EMBEDDING, 1024), 2: (1024, 128), 4: (128, 64), 6: (64, 16), 7: (16, 1)}
    layers: OrderedDict[str, nn.Module] = OrderedDict((str(at), nn.Linear(*size)) for at, size in sizes.items())
    return nn.Sequential(OrderedDict(layers=nn.Sequential(layers)))


def _tensor(frames: np.ndarray) -> Tensor:
    """Frames (N, H, W, 3) as float32 (N, 3, H, W), 0 to 1."""
    import torch

    return torch.from_numpy(frames.copy()).permute(0, 3, 1, 2).contiguous() / 255


def _normalised(pixels: Tensor) -> Tensor:
    """As networks of ImageNet take them."""
    mean, std = (pixels.new_tensor(values).view(3, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    return (pixels - mean) / std


def hyper_network() -> nn.Module:
    """HyperIQA: crops (N, 3, 224, 224) -> (N,); modules named as in ``koniq_pretrained.pkl``.

    From the content of a crop one network makes the weights of another, which judges its distortions.
    """
    import torch
    from torch import nn
    from torchvision.models.resnet import Bottleneck, ResNet

    sizes = (224, 112, 56, 28, 14)  # of the layers of the network that is made
    content = 112  # channels

    class Trunk(ResNet):
        """ResNet-50 that gives its last map and, of all four stages, what is local."""

        def __init__(self) -> None:
            super().__init__(Bottleneck, [3, 4, 6, 3])
            del self.fc, self.avgpool
            for stage in (1, 2, 3):
                narrow, cells = 8 << stage, 64 >> 2 * (stage - 1)
                squeeze = nn.Conv2d(128 << stage, narrow, 1, bias=False)
                self.add_module(f"lda{stage}_pool", nn.Sequential(squeeze, nn.AvgPool2d(7)))
                self.add_module(f"lda{stage}_fc", nn.Linear(narrow * cells, 16))
            self.lda4_pool = nn.AvgPool2d(7)
            self.lda4_fc = nn.Linear(2048, sizes[0] - 3 * 16)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
            local = []
            for stage in (1, 2, 3, 4):
                x = self.get_submodule(f"layer{stage}")(x)
                pooled = self.get_submodule(f"lda{stage}_pool")(x).flatten(1)
                local.append(self.get_submodule(f"lda{stage}_fc")(pooled))
            return x, torch.cat(local, dim=1)

    class Hyper(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.res = Trunk()
            widths = (2048, 1024, 512, content)
            steps = [(nn.Conv2d(a, b, 1), nn.ReLU()) for a, b in pairwise(widths)]
            self.conv1 = nn.Sequential(*(module for step in steps for module in step))
            for layer, (before, after) in enumerate(pairwise(sizes), 1):
                self.add_module(f"fc{layer}w_conv", nn.Conv2d(content, before * after // 7**2, 3, padding=1))
                self.add_module(f"fc{layer}b_fc", nn.Linear(content, after))
            self.fc5w_fc = nn.Linear(content, sizes[-1])
            self.fc5b_fc = nn.Linear(content, 1)

        def forward(self, x: Tensor) -> Tensor:
            maps, values = self.res(x)
            maps = self.conv1(maps)
            pooled = maps.mean(dim=(2, 3))
            for layer, (before, after) in enumerate(pairwise(sizes), 1):
                made = self.get_submodule(f"fc{layer}w_conv")(maps).reshape(-1, after, before)
                shift = self.get_submodule(f"fc{layer}b_fc")(pooled)
                values = torch.sigmoid((made @ values[..., None])[..., 0] + shift)
            return (self.fc5w_fc(pooled) * values).sum(dim=1) + self.fc5b_fc(pooled)[:, 0]

    return Hyper()
