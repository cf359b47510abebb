"""Features of the Inception network of 2015, with which the Frechet Inception distance is defined.

References: Heusel et al., "GANs trained by a two time-scale update rule converge to a local Nash equilibrium", NeurIPS
2017; Parmar et al., "On aliased resizing and surprising subtleties in GAN evaluation", CVPR 2022.
"""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from charachbench import random_weights
from charachbench.errors import UserError
from charachbench.protocols import Device
from metrics.backbones.base import RANDOM, Backbone, in_batches, load_strictly, weights_in_words
from metrics.sampling import checked

if TYPE_CHECKING:
    import torch
    from torch import nn

Resize = Literal["clean", "tensorflow"]

SIZE, LEAST_SIZE = 299, 75
"""Width and height in pixels that the network was trained with, and the least it can take."""


class Inception(Backbone):
    """The 2048 features after the last pooling; architecture and TensorFlow's resizing are those of torch-fidelity.

    Args:
        weights: name in the registry of weights, path of a file such as torch-fidelity's, or ``random``.
        seed: of random weights.
        resize: ``clean``, bicubic with antialiasing by Pillow in floating point (Parmar et al.); ``tensorflow``,
            bilinear without antialiasing as in TensorFlow 1 (Heusel et al.).
        size: to which frames are resized, in pixels; less than 299 with random weights alone, to save time.
        batch: how many frames go through the network at once.
    """

    def __init__(
        self,
        weights: str = "inception_2015",
        seed: int = 0,
        resize: Resize = "clean",
        size: int = SIZE,
        batch: int = 16,
    ) -> None:
        if weights != RANDOM and size != SIZE:
            raise UserError(f"size={size}: accepted is {SIZE}, with which these weights were trained")
        if not LEAST_SIZE <= size <= SIZE:
            raise UserError(f"size={size}: accepted are whole numbers from {LEAST_SIZE} to {SIZE}")
        checked("batch", batch)
        self.weights, self.seed, self.resize, self.size, self.batch = weights, seed, resize, size, batch

    @property
    def random(self) -> bool:
        """See ``Backbone``."""
        return self.weights == RANDOM

    def protocol(self) -> dict[str, str | int | float]:
        """See ``Backbone``."""
        weights = weights_in_words(self.weights, self.seed)
        return {"backbone": "Inception-2015", "weights": weights, "input": f"{self.size} px, {self.resize}"}

    def build(self, device: Device) -> nn.Module:
        """See ``Backbone``.

        Raises:
            UserError: the weights are missing, or not of this network.
        """
        network = _bare_network()
        network.INPUT_IMAGE_SIZE = self.size  # which the library's forward resizes to
        if self.random:
            # Not calibrated: layers that each subtract a mean are chaotic, one grey level moves features by percents
            random_weights.initialise(network, self.seed)
        else:
            load_strictly(network, self.weights)
        return network.to(device)

    def embed(self, frames: np.ndarray) -> np.ndarray:
        """See ``Backbone``; float32 (N, 2048)."""
        return in_batches(self._embed, frames, self.batch)

    def _embed(self, frames: np.ndarray) -> np.ndarray:
        import torch

        network = self._network
        device = next(network.parameters()).device
        with torch.inference_mode():
            if self.resize == "tensorflow":
                (features,) = network(torch.from_numpy(frames.copy()).to(device).permute(0, 3, 1, 2))
            else:
                pixels = np.stack([clean_resize(frame, self.size) for frame in frames])
                inputs = torch.from_numpy((pixels - 128) / 128).to(device).permute(0, 3, 1, 2)
                *layers, _classifier = network.children()  # in the order in which the library applies them
                features = functools.reduce(lambda values, layer: layer(values), layers, inputs).flatten(1)
            return features.cpu().numpy()


def clean_resize(frame: np.ndarray, size: int) -> np.ndarray:
    """Pillow's bicubic resizing, which smooths before it shrinks, of each channel in floating point, not rounded.

    Args:
        frame: uint8 (H, W, 3).
        size: new width and height.

    Returns:
        float32 (size, size, 3), 0 to 255.
    """
    from PIL import Image

    channels = np.ascontiguousarray(frame.transpose(2, 0, 1), dtype=np.float32)
    images = [Image.fromarray(channel).resize((size, size), Image.Resampling.BICUBIC) for channel in channels]
    return np.stack([np.asarray(image) for image in images], axis=-1).clip(0, 255)


def _bare_network() -> Any:
    """torch-fidelity's network, with whatever weights it is built with."""
    import torch
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Network(FeatureExtractorInceptionV3):
        """Does not load weights in the constructor, which else downloads them, or unpickles whatever a file holds."""

        built = False

        def load_state_dict(self, state_dict: dict[str, torch.Tensor], *arguments: Any, **options: Any) -> Any:
            return super().load_state_dict(state_dict, *arguments, **options) if self.built else None

    nothing = io.BytesIO()
    torch.save({}, nothing)
    nothing.seek(0)
    network = Network("inception", ["2048"], feature_extractor_weights_path=nothing)
    network.built = True
    return network
