"""Random weights that are the same on every machine.

A random network is a known, weaker yardstick than a trained one: Zhang et al., "The unreasonable effectiveness of deep
features as a perceptual metric", CVPR 2018, for image distances; Naeem et al., "Reliable fidelity and diversity metrics
for generative models", ICML 2020, for distances of distributions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from charachbench import keys

if TYPE_CHECKING:
    from torch import nn


def initialise(network: nn.Module, seed: int) -> None:
    """Overwrite all parameters: kernels and matrices normal with variance 2 / fan-in (He et al., 2015), shifts 0.

    Each tensor has its own stream of NumPy's PCG64, by its name, so neither the version of torch nor the order of
    modules matters. Scales of normalisations (and other vectors that are not biases) stay as they were built.
    """
    import torch

    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.ndim > 1:
                rng = np.random.default_rng(int(keys.digest([seed, name])[:16], 16))
                scale = np.sqrt(2 / parameter[0].numel())
                values = rng.standard_normal(parameter.shape, dtype=np.float32) * np.float32(scale)
                parameter.copy_(torch.from_numpy(values))
            elif name.endswith("bias"):
                parameter.zero_()


def calibrate(network: nn.Module, forward: Callable[[], Any]) -> None:
    """Set the statistics of all batch normalisations to those of one forward pass, the way training would.

    Without it features of a deep random network hardly depend on its input.

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

    noise = np.random.default_rng(seed).standard_normal((count, size, size, 3)).astype(np.float32)
    blobs = np.zeros_like(noise)
    for width in (1, 2, 4, 8, 16):
        blobs += width * np.stack([cv2.GaussianBlur(image, (0, 0), width) for image in noise])
    return np.clip(128 + 64 * blobs / blobs.std(), 0, 255).astype(np.uint8)
