"""Perceptual distance: how close is the video to the true one, through the eyes of a network?"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from charachbench import keys, random_weights
from charachbench.errors import Unscored
from charachbench.protocols import Device, Metric, Need, Sample
from metrics import sampling
from metrics.backbones.base import RANDOM, in_batches, load_strictly, shared, weights_in_words
from metrics.fidelity import true_frames

if TYPE_CHECKING:
    from torch import nn

Net = Literal["alex", "vgg", "squeeze"]

_REGISTERED = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}
_LEAST = {"alex": 31, "vgg": 16, "squeeze": 17}
"""Width and height in pixels below which a map of the network would be empty."""


class Lpips(Metric):
    """Learned perceptual image patch similarity against the true video, version 0.1, per frame; 0 for equal frames.

    The distance of two frames is the squared one of their features at every place of five to seven layers of the
    network, each scaled to unit length, its channels weighted as people's judgements taught. With random weights there
    are no such linear weights: all channels count equally, as in the paper's baseline of random networks.

    Reference: Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric", CVPR 2018; their
    package ``lpips`` computes the distance and holds the weights of channels.

    Args:
        net: ``alex``, which the authors advise for evaluation, ``vgg`` or ``squeeze``.
        weights: of the network, trained on ImageNet: name in the registry of weights, path of a file of torchvision's,
            or ``random``; None takes the registered ones of ``net``.
        seed: of random weights.
        frames: how many frames to look at, spread evenly; None for all.
        batch: how many frames go through the network at once.
    """

    family: ClassVar[str] = "fidelity"
    direction: ClassVar[Literal["up", "down"]] = "down"
    limits: ClassVar[tuple[float, float]] = (0, float("inf"))
    needs: ClassVar[frozenset[Need]] = frozenset({"truth"})

    _network: nn.Module

    def __init__(
        self,
        net: Net = "alex",
        weights: str | None = None,
        seed: int = 0,
        frames: int | None = None,
        batch: int = 8,
    ) -> None:
        self.net, self.seed, self.batch = net, seed, batch
        self.weights = _REGISTERED[net] if weights is None else weights
        self.frames = sampling.checked("frames", frames)
        sampling.checked("batch", batch)

    @property
    def random(self) -> bool:
        """See ``Metric``."""
        return self.weights == RANDOM

    def protocol(self) -> dict[str, str | int | float]:
        """See ``Metric``."""
        return {
            **self._network_protocol(),
            "input": "own size",
            "frames": "all" if self.frames is None else self.frames,
            "reference": "truth",
        }

    def _network_protocol(self) -> dict[str, str | int | float]:
        weights = weights_in_words(self.weights, self.seed)
        return {
            "backbone": f"LPIPS {self.net}",
            "weights": weights,
            "linear weights": "none" if self.random else "LPIPS 0.1",
        }

    def load(self, device: Device) -> None:
        """See ``Metric``; equal settings share a network."""
        key = keys.digest(["lpips", self._network_protocol(), device])
        self._network = shared(key, lambda: self._build().to(device))

    def extract(self, sample: Sample) -> np.ndarray:
        """float64 (T,) or (frames,)."""
        made, true = sample.video.frames, true_frames(sample)
        height, width = true.shape[1:3]
        if min(height, width) < _LEAST[self.net]:
            least = _LEAST[self.net]
            raise Unscored(f"frames of {height} x {width} pixels: LPIPS {self.net} needs at least {least} x {least}")
        chosen = sampling.spread(len(true), self.frames)
        pairs = np.stack([made[chosen], true[chosen]], axis=1)
        return in_batches(self._distances, pairs, self.batch)

    def _distances(self, pairs: np.ndarray) -> np.ndarray:
        """Of uint8 (N, 2, H, W, 3): float64 (N,)."""
        import torch

        device = next(self._network.parameters()).device
        with torch.inference_mode():
            inputs = torch.from_numpy(pairs).to(device).permute(1, 0, 4, 2, 3) / 127.5 - 1
            return self._network(*inputs).flatten().double().cpu().numpy()

    def _build(self) -> nn.Module:
        import lpips
        import torch

        with torch.device("meta"), warnings.catch_warnings():  # no time, nor torch's generator, for what is overwritten
            warnings.filterwarnings("ignore", module=r"torchvision\.models")  # how the package calls it is deprecated
            network = lpips.LPIPS(net=self.net, lpips=not self.random, pretrained=False, pnet_rand=True, verbose=False)
        network.net.to_empty(device="cpu")
        if self.random:
            random_weights.initialise(network.net, self.seed)
            return network
        load_strictly(network.net, self.weights, lambda state: _sliced(state, network.net))
        path = Path(lpips.__file__).parent / "weights" / f"v{network.version}" / f"{self.net}.pth"
        linear = torch.load(path, map_location="cpu", weights_only=True)
        network.lins.to_empty(device="cpu")
        network.lins.load_state_dict({name.removeprefix("lin"): tensor for name, tensor in linear.items()})
        return network


def _sliced(state: dict[str, Any], network: nn.Module) -> dict[str, Any]:
    """Names of torchvision's features turned into those of the package, which cuts them into slices."""
    slices = {name.split(".", 1)[1]: name for name in network.state_dict()}
    features = {name.removeprefix("features."): name for name in state if name.startswith("features.")}
    return {slices.get(name, name): state[full] for name, full in features.items()}
