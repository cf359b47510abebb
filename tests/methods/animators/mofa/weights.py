"""Random weights and inputs of networks, by name: the reference implementation was given the same."""

import math

import numpy as np
import torch
from torch import nn

from charachbench.random_weights import _uniform


def draw(network: nn.Module, seed: int) -> None:
    """Overwrite all parameters and the running statistics of normalisations, each from a stream of its own.

    Kernels and matrices have the variance 2 / fan-in; biases, scales and statistics are near what they start at.
    """
    for name, tensor in network.state_dict().items():
        if not tensor.is_floating_point():
            continue  # a counter of batches
        values = _uniform([seed, name], tuple(tensor.shape))
        if tensor.ndim > 1:
            values *= np.float32(math.sqrt(6 / tensor[0].numel()))
        elif name.endswith("running_var"):
            values = 1 + np.float32(0.5) * np.abs(values)
        elif name.endswith(("bias", "running_mean")):
            values *= np.float32(0.1)
        else:
            values = 1 + np.float32(0.1) * values
        tensor.copy_(torch.from_numpy(values))


def uniform(name: str, *shape: int, low: float = -1, high: float = 1) -> torch.Tensor:
    """Float32 values for an input of that name."""
    return torch.from_numpy((low + high) / 2 + np.float32((high - low) / 2) * _uniform([name], shape))
