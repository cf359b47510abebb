"""No-reference quality by any measure of the package ``pyiqa``: MUSIQ, CLIP-IQA, TOPIQ, NIQE and some forty others."""

from __future__ import annotations

import threading
from importlib.metadata import PackageNotFoundError, version
from typing import Any, ClassVar, Literal

import numpy as np

from charachbench import keys
from charachbench.errors import UserError, reason_for
from charachbench.protocols import Device, Metric, Sample
from metrics.backbones.base import shared
from metrics.sampling import checked, spread

_NOT_OF_SINGLE_IMAGES = {"fid", "fid_mmd", "fid_dinov2", "sfid", "inception_score", "clipscore"}
_DRAWING = threading.Lock()


class PyiqaScore(Metric):
    """A measure of pyiqa under its own name and settings, per frame.

    Needs the extra ``[iqa]``. The package fetches the weights of a measure itself, on first use; its version pins them.
    HyperIQA and the aesthetic score of ``metrics=paper`` are in ``metrics.quality``: the files that the paper's authors
    use differ from pyiqa's.

    Args:
        name: as pyiqa lists it, such as ``musiq``.
        direction: which way is better by that measure.
        frames: how many frames of a video to look at, spread evenly; null takes all.
        seed: of measures that draw crops.

    Reference: Chen and Mo, "IQA-PyTorch: PyTorch toolbox for image quality assessment", 2022.
    """

    family: ClassVar[str] = "quality"

    def __init__(
        self,
        name: str = "musiq",
        direction: Literal["up", "down"] = "up",
        frames: int | None = 16,
        seed: int = 0,
    ) -> None:
        checked("frames", frames)
        self.name, self.frames, self.seed = name, frames, seed
        self.direction = direction  # type: ignore[misc]

    def protocol(self) -> dict[str, str | int | float]:
        """See ``Metric``."""
        try:
            package = version("pyiqa")
        except PackageNotFoundError:
            package = "not installed"
        return {"network": f"pyiqa {package}: {self.name}", "input": "own size", "frames": self.frames or "all"}

    def load(self, device: Device) -> None:
        """See ``Metric``.

        Raises:
            UserError: the package is missing, has no such measure or not in that direction, or cannot get its weights.
        """
        try:
            import pyiqa
        except ImportError as error:
            raise UserError(f"pyiqa cannot be imported ({error}): pip install charachbench[iqa]") from error
        known = [name for name in pyiqa.list_models(metric_mode="NR") if name not in _NOT_OF_SINGLE_IMAGES]
        if self.name not in known:
            raise UserError(f"name={self.name}: pyiqa has no such measure without reference; it has {', '.join(known)}")
        key = keys.digest(["pyiqa", self.name, device])
        self._measure = shared(key, lambda: self._create(pyiqa, device))
        if self._measure.lower_better != (self.direction == "down"):
            raise UserError(f"direction={self.direction}: of {self.name}, pyiqa says the opposite is better")

    def _create(self, pyiqa: Any, device: Device) -> Any:
        try:
            return pyiqa.create_metric(self.name, device=device)
        except Exception as error:
            raise UserError(
                f"name={self.name}: pyiqa cannot make it, or cannot get its weights ({reason_for(error)})"
            ) from error

    def extract(self, sample: Sample) -> np.ndarray:
        """float64 (min(T, frames),), in the measure's own units."""
        import torch

        scores = []
        for frame in sample.video.frames[spread(len(sample.video), self.frames)]:
            pixels = torch.from_numpy(frame.copy()).permute(2, 0, 1)[None].float() / 255
            with _DRAWING, torch.random.fork_rng():  # some measures draw crops, from the one generator of all threads
                torch.manual_seed(self.seed)
                scores.append(float(self._measure(pixels).flatten()[0]))
        return np.array(scores)
