"""Random weights that are the same on every machine.

A random network is a known, weaker yardstick than a trained one: Zhang et al., "The unreasonable effectiveness of deep
features as a perceptual metric", CVPR 2018, for image distances; Naeem et al., "Reliable fidelity and diversity metrics
for generative models", ICML 2020, for distances of distributions.

Draws are the raw output of PCG64, whose stream NumPy promises to keep (NEP 19), and not of its distributions, which may
change between versions. They are scaled by exact arithmetic alone, so weights are equal to the last bit everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from charachbench import keys

if TYPE_CHECKING:
    from torch import nn


def initialise(network: nn.Module, seed: int) -> None:
    """Overwrite all parameters: kernels and matrices uniform with variance 2 / fan-in (He et al., 2015), biases 0.

    Each tensor has its own stream, by its name, so neither torch's generator nor its version nor the order of modules
    matters. Scales of normalisations stay as they were built; other vectors, such as class tokens, are 0 like biases.
    """
    import torch

    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.ndim > 1:
                bound = np.float32(math.sqrt(6 / parameter[0].numel()))  # variance of a uniform: bound ** 2 / 3
                parameter.copy_(torch.from_numpy(bound * _uniform([seed, name], tuple(parameter.shape))))
            elif not name.endswith("weight"):
                parameter.zero_()


def calibrate(network: nn.Module, forward: Callable[[], Any]) -> None:
    """Set the statistics of all batch normalisations to those of one forward pass, the way training would.

    For residual networks, whose outputs else grow with every block and all point in one direction. Not for long chains
    of normalised layers: each subtracts what its inputs share and so enlarges differences, and after tens of them a
    hardly visible change weighs like another picture.

    Args:
        network: in evaluation mode, and so again afterwards.
        forward: runs it on ``pictures``.
    """
    import torch
    from torch.nn.modules.batchnorm import _BatchNorm

    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all passes, of which there is one
        norm.train()
    with torch.no_grad():
        forward()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()


def pictures(count: int, size: int, seed: int = 0) -> np.ndarray:
    """Coloured blobs of all sizes to calibrate with, uint8 (count, size, size, 3)."""
    import cv2

    noise = _uniform([seed, "pictures"], (count, size, size, 3))
    blobs = np.zeros_like(noise)
    for width in (1, 2, 4, 8, 16):
        blobs += width * np.stack([cv2.GaussianBlur(image, (0, 0), width) for image in noise])
    return np.clip(128 + 64 * blobs / blobs.std(), 0, 255).astype(np.uint8)


def _uniform(key: list[int | str], shape: tuple[int, ...]) -> np.ndarray:
    """Float32 in [-1, 1), multiples of 2 ** -23, from the stream of that key."""
    stream = np.random.PCG64(int(keys.digest(key)[:16], 16))
    whole = (stream.random_raw(math.prod(shape)) >> 40).astype(np.float32).reshape(shape)
    return whole * np.float32(2**-23) - np.float32(1)
