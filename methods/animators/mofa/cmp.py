"""CMP, conditional motion propagation: an image and the motion of a few of its points to the motion of every pixel.

Reference: Zhan et al., "Self-Supervised Learning via Conditional Motion Propagation", CVPR 2019, as MOFA-Video uses it.
Modules are named as in XiaohangZhan/conditional-motion-propagation, whose checkpoints fit.

Needs torch to be imported, so it is imported only where the network is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from charachbench.errors import UserError, reason_for

BINS = 99
"""Of the motion along each axis."""
LARGEST = 50.0
"""Motion at the outer edge of the last bin, in pixels."""
TRAINED_ON = 384

Encoded = tuple[Tensor, Tensor, Tensor]
"""Of an image of size S: (1, 256, S/8, S/8), (1, 128, S/4, S/4), (1, 32, S/2, S/2)."""


class Cmp(nn.Module):
    """The network; what depends on the image alone is apart, as the images of a clip's frames are all the same.

    The published resnet50_vip+mpii_liteflow: ResNet-50 of stride 8, decoder with skipped layers, 2 x 99 bins.
    """

    def __init__(self) -> None:
        super().__init__()
        self.image_encoder = _ImageEncoder()
        self.flow_encoder = _SparseEncoder()
        self.flow_decoder = _Decoder()

    def encode(self, image: Tensor) -> Encoded:
        """What ``propagate`` needs of an image.

        Args:
            image: (1, 3, S, S), -1 to 1, S a multiple of 8 and at least 64.
        """
        features, quarter, half = self.image_encoder(image)
        return features, self.flow_decoder.skipconv4(quarter), self.flow_decoder.skipconv2(half)

    def propagate(self, encoded: Encoded, sparse: Tensor) -> Tensor:
        """Logits of the motion's bins, first those of x.

        Args:
            encoded: see ``encode``.
            sparse: (N, 4, S, S): motion (x, y) in pixels, 0 where it is not known; then, twice, 1 where it is.

        Returns:
            (N, 198, S/2, S/2).
        """
        features, quarter, half = (part.expand(len(sparse), -1, -1, -1) for part in encoded)
        return self.flow_decoder(torch.cat([features, self.flow_encoder(sparse)], 1), quarter, half)

    def forward(self, image: Tensor, sparse: Tensor) -> Tensor:
        """See ``encode`` and ``propagate``."""
        return self.propagate(self.encode(image), sparse)


@torch.no_grad()
def dense_flow(network: Cmp, image: Tensor, landmarks: Tensor, size: int = TRAINED_ON, chunk: int = 8) -> Tensor:
    """Motion of every pixel from the first frame to each other one, as the landmarks suggest it.

    The reference implementation rounds landmarks to float16 first, that is, to quarters of a pixel from 256 pixels on;
    here they stay as they are.

    Args:
        network: in evaluation mode; its type and device are those of the computation.
        image: (3, H, W), 0 to 1, stretched to a square by nearest neighbours.
        landmarks: (T, K, 2), finite, (x, y) in pixels of ``image``; those of frame 0 are its own. Where two of them are
            in one pixel the later counts.
        size: of the square, a multiple of 8 and at least 64.
        chunk: how many frames go through the network at once; changes no result.

    Returns:
        float32 (T - 1, 2, H, W), (x, y) in pixels of ``image``, on the network's device.

    Raises:
        UserError: such a size or chunk cannot be.
    """
    if size < 64 or size % 8:
        raise UserError(f"size={size}: accepted are multiples of 8 from 64")
    if chunk < 1:
        raise UserError(f"chunk={chunk}: accepted are whole numbers from 1")
    like = network.flow_decoder.head.weight
    height, width = image.shape[1:]
    square = functional.interpolate(image.to(like)[None], (size, size))
    encoded = network.encode(square * 2 - 1)
    # In float64 the scaled landmarks are exact but for one rounding, so their pixels are the right ones.
    scale = torch.tensor([width, height], dtype=torch.float64, device=like.device)
    moved = landmarks.to(like.device, torch.float64) * size / scale
    flow = torch.empty(len(moved) - 1, 2, height, width, device=like.device)
    for start in range(0, len(flow), chunk):
        sparse = sparse_motion(moved[0], moved[start + 1 : start + 1 + chunk], size)
        coarse = expectation(network.propagate(encoded, sparse.to(like)))
        fine = functional.interpolate(coarse, (size, size), mode="bilinear", align_corners=True)
        flow[start : start + chunk] = functional.interpolate(fine, (height, width))
    return flow.mul_((scale / size).float()[:, None, None])


def sparse_motion(first: Tensor, landmarks: Tensor, size: int) -> Tensor:
    """Motion of landmarks at the pixels where they start, and where that is; outside they count at the border.

    Args:
        first: (K, 2), (x, y) in pixels, of the image.
        landmarks: (N, K, 2), likewise, of other frames.
        size: of the square image.

    Returns:
        float32 (N, 4, size, size), see ``Cmp.propagate``.
    """
    x, y = first.long().clamp(0, size - 1).unbind(1)
    pixels = y * size + x
    # Of those in one pixel all write what the last has to say: the order of writing, free on a GPU, does not matter.
    order = torch.arange(len(first), device=first.device)
    last = ((pixels[:, None] == pixels) * order).amax(1)
    motion = (landmarks - first)[:, last].float()
    sparse = torch.zeros(len(landmarks), 4, size, size, device=first.device)
    sparse[:, :2, y, x] = motion.mT
    sparse[:, 2:, y, x] = 1
    return sparse


def expectation(logits: Tensor) -> Tensor:
    """Mean motion under the distributions over bins.

    Args:
        logits: (N, 2 * 99, H, W), first those of x.

    Returns:
        float32 (N, 2, H, W), in pixels, between -49.5 and 49.5: bins are as wide as 100 / 99 and count at their centre.
    """
    step = 2 * LARGEST / BINS
    centres = torch.arange(BINS, dtype=torch.float32, device=logits.device) * step - LARGEST + step / 2
    # Multiplied and summed, not a matrix product, which a GPU may compute with fewer digits.
    return (logits.float().unflatten(1, (2, BINS)).softmax(2) * centres[:, None, None]).sum(2)


def load_state(network: Cmp, path: Path) -> None:
    """Fill a network with trained weights.

    Args:
        network: on the CPU.
        path: of a checkpoint of CMP's training: a dict whose ``state_dict`` names the network ``module``.

    Raises:
        UserError: the file is missing, cannot be read, or does not hold exactly this network's weights.
    """
    accepted = "accepted is a checkpoint of CMP such as ckpt_iter_42000.pth.tar of resnet50_vip+mpii_liteflow"
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
        # A new dict, without the version that torch notes in its own: batch normalisations then do without their
        # counters of batches, which the published file lacks.
        network.load_state_dict({name.removeprefix("module."): tensor for name, tensor in state.items()})
    except Exception as error:  # what garbage raises depends on its first bytes
        reason = " ".join(reason_for(error).split())[:160]
        raise UserError(f"{path}: does not hold the weights of CMP ({reason}); {accepted}") from error


class _ImageEncoder(nn.Module):
    """ResNet-50 whose last two stages dilate instead of striding, and a projection."""

    def __init__(self) -> None:
        from torchvision.models import resnet50

        super().__init__()
        trunk = resnet50(replace_stride_with_dilation=[False, True, True])
        self.conv1, self.bn1 = trunk.conv1, trunk.bn1
        self.layer1, self.layer2, self.layer3, self.layer4 = trunk.layer1, trunk.layer2, trunk.layer3, trunk.layer4
        # torchvision dilates the first block of a stage by what the stage before has, CMP by what its own has.
        for layer, dilation in ((self.layer3, 2), (self.layer4, 4)):
            layer[0].conv2.dilation = layer[0].conv2.padding = (dilation, dilation)
        self.conv5 = nn.Conv2d(2048, 256, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """At an eighth, a quarter and a half of the image's size."""
        half = self.bn1(self.conv1(image)).relu_()
        quarter = self.layer1(functional.max_pool2d(half, 3, 2, 1))
        return self.conv5(self.layer4(self.layer3(self.layer2(quarter)))), quarter, half


class _SparseEncoder(nn.Module):
    """Motion at known pixels, to 16 maps at an eighth of the size."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_unit(4, 16, kernel=5, stride=2), nn.MaxPool2d(2), *_unit(16, 16), nn.AvgPool2d(2)
        )

    def forward(self, sparse: Tensor) -> Tensor:
        return self.features(sparse)


class _Decoder(nn.Module):
    """Four scales put together, then made finer with the image's maps twice."""

    def __init__(self) -> None:
        super().__init__()
        self.decoder1 = nn.Sequential(*_branch())
        self.decoder2 = nn.Sequential(nn.MaxPool2d(2), *_branch())
        self.decoder4 = nn.Sequential(nn.MaxPool2d(4), *_branch())
        self.decoder8 = nn.Sequential(nn.MaxPool2d(8), *_branch())
        self.fusion8 = nn.Sequential(*_unit(4 * 128, 256))
        self.skipconv4 = nn.Sequential(*_unit(256, 128))
        self.fusion4 = nn.Sequential(*_unit(256 + 128, 128))
        self.skipconv2 = nn.Sequential(*_unit(64, 32))
        self.fusion2 = nn.Sequential(*_unit(128 + 32, 64))
        self.head = nn.Conv2d(64, 2 * BINS, 1)

    def forward(self, maps: Tensor, quarter: Tensor, half: Tensor) -> Tensor:
        """Of maps of image and motion and of the image's skipped maps, which have gone through their convolutions."""
        branches = (self.decoder1, self.decoder2, self.decoder4, self.decoder8)
        eighth = self.fusion8(torch.cat([_enlarged(branch(maps), maps) for branch in branches], 1))
        fused = self.fusion4(torch.cat([_enlarged(eighth, quarter), quarter], 1))
        return self.head(self.fusion2(torch.cat([_enlarged(fused, half), half], 1)))


def _unit(channels_in: int, channels: int, kernel: int = 3, stride: int = 1) -> Sequence[nn.Module]:
    return (
        nn.Conv2d(channels_in, channels, kernel, stride, kernel // 2),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )


def _branch() -> Sequence[nn.Module]:
    return *_unit(256 + 16, 128), *_unit(128, 128), *_unit(128, 128)


def _enlarged(maps: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(maps, like.shape[2:], mode="bilinear", align_corners=True)
