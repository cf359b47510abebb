"""What every backbone is: how it names itself, finds its weights, and is loaded once for all metrics."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from charachbench import keys, memory
from charachbench import weights as files
from charachbench.errors import UserError, reason_for
from charachbench.protocols import Device

if TYPE_CHECKING:
    from torch import nn

RANDOM = "random"
"""In place of the name of weights: the same architecture with random ones, by a seed."""


class Backbone(ABC):
    """Turns frames, or clips, into feature vectors; equal settings share one network in a process.

    Attributes:
        takes_clips: whether ``embed`` takes clips (N, T, H, W, 3) or frames (N, H, W, 3).
        least_frames: of a clip.
        version: raised whenever features can change.
    """

    takes_clips: ClassVar[bool] = False
    least_frames: ClassVar[int] = 1
    version: ClassVar[int] = 1

    _network: Any

    @property
    @abstractmethod
    def random(self) -> bool:
        """Whether the weights are random."""

    @abstractmethod
    def protocol(self) -> dict[str, str | int | float]:
        """What decides the features: ``backbone``, ``weights`` (hash, or ``random seed 0``), ``input`` (resizing).

        Found without loading anything heavy, and without the weights where their hash is registered.
        """

    def load(self, device: Device) -> None:
        """Load the network, unless an equal one is loaded.

        Raises:
            UserError: the weights are missing or not what they should be.
        """
        key = keys.digest([type(self).__qualname__, self.version, self.protocol(), device])
        self._network = shared(key, lambda: self.build(device))

    @abstractmethod
    def build(self, device: Device) -> Any:
        """The network on a device, in evaluation mode."""

    @abstractmethod
    def embed(self, frames: np.ndarray) -> np.ndarray:
        """Features of frames or clips, each independent of the others given with it.

        Args:
            frames: uint8 RGB, (N, H, W, 3) or (N, T, H, W, 3), N at least 1.

        Returns:
            float32 (N, D).
        """


def weights_in_words(weights: str, seed: int) -> str:
    """For a protocol: the hash of named weights or of a file, or the seed of random ones.

    Raises:
        UserError: there is neither such a name nor such a file.
    """
    return f"{RANDOM} seed {seed}" if weights == RANDOM else files.fingerprint(weights)


def shared(key: str, make: Callable[[], Any]) -> Any:
    """``make()``, once in a process for each key; other threads wait for it."""
    with _LOCK:
        if key not in _NETWORKS:
            _NETWORKS[key] = make()
        return _NETWORKS[key]


_NETWORKS: dict[str, Any] = {}
_LOCK = threading.RLock()


def in_batches(embed: Callable[[np.ndarray], np.ndarray], frames: np.ndarray, batch: int) -> np.ndarray:
    """``embed`` of so many at a time, put together; of half as many where memory does not suffice."""
    size = batch

    def embed_all() -> np.ndarray:
        return np.concatenate([embed(frames[start : start + size]) for start in range(0, len(frames), size)])

    def take_less() -> bool:
        nonlocal size
        size //= 2
        return size > 0

    return memory.with_less(embed_all, take_less)[0]


def load_strictly(network: nn.Module, weights: str, rename: Callable[[dict], dict] = dict) -> None:
    """Fill a network with trained weights.

    Args:
        network: on the CPU.
        weights: name in the registry of weights, or path of a file of torch's.
        rename: turns what the file holds into what the network calls it.

    Raises:
        UserError: the file is missing, is not of torch's, or does not hold exactly this network's weights.
    """
    import torch

    path = files.locate(weights)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what garbage raises depends on its first bytes
        raise UserError(
            f"weights={weights}: {path} cannot be read ({_line(error)}); accepted are files of tensors written by torch"
        ) from error
    try:
        network.load_state_dict(rename(state))
    except Exception as error:
        raise UserError(
            f"weights={weights}: {path} does not hold the weights of {type(network).__name__} ({_line(error)})"
        ) from error


def _line(error: Exception) -> str:
    return " ".join(reason_for(error).split())[:160]
