"""CoTracker 3: a transformer that follows many points together through a whole video."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from charachbench import keys
from charachbench import weights as registry
from charachbench.errors import UserError
from charachbench.protocols import Device
from metrics.backbones.base import shared
from metrics.tracking import Tracker

COMMIT = "82e02e8029753ad4ef13cf06be7f4fc5facdda4d"
_INSTALL = f"pip install git+https://github.com/facebookresearch/co-tracker@{COMMIT}"
_WINDOW = 60
"""Frames that the network was trained on at most; its embedding of time is interpolated to other lengths."""


@dataclass(frozen=True)
class CoTracker(Tracker):
    """CoTracker 3, offline: its own code and weights; a point is lost in the frames where it calls it hidden.

    It sees the whole video at once, resized to 384 x 512 as it was trained, and points attend to each other: other
    points beside them change tracks slightly. Memory grows with the number of frames, about 0.1 GB for each, and with
    frames times points; a clip that does not fit must be shortened. Nothing here cuts it.

    Args:
        weights: ``cotracker3_offline``, found in the weights registry, or the path of such a file.
        min_reliable: see ``Tracker``.

    Reference: Karaev et al., "CoTracker3: simpler and better point tracking by pseudo-labelling real videos", 2024.
    """

    name: ClassVar[str] = "CoTracker3 offline"

    weights: str = "cotracker3_offline"

    def protocol(self) -> dict[str, str | int | float]:
        """Tracker and weights."""
        return {"tracker": self.name, "weights": registry.fingerprint(self.weights)}

    def load(self, device: Device) -> None:
        """See ``Tracker``."""
        network = shared(keys.digest([self.identity(), device]), lambda: self._build(device))
        object.__setattr__(self, "_network", network)

    def _build(self, device: Device) -> Any:
        import torch

        # Importing it seeds torch, which is nobody else's business.
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            try:
                package = importlib.import_module("cotracker.predictor")
            except ImportError as error:
                raise UserError(f"the tracker CoTracker needs a package that is not installed: {_INSTALL}") from error
            predictor = package.CoTrackerPredictor(checkpoint=None, offline=True, v2=False, window_len=_WINDOW)
        path = registry.locate(self.weights)
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            predictor.model.load_state_dict(state.get("model", state))
        except Exception as error:
            reason = str(error).strip().splitlines()[0]
            raise UserError(f"weights={self.weights}: are not those of CoTracker3 offline ({reason})") from error
        return predictor.to(device).eval().requires_grad_(False)

    def track(
        self,
        frames: Iterable[np.ndarray],
        first_points: np.ndarray,
        *,
        landmarks: bool = True,  # noqa: ARG002 - to it all points are alike
    ) -> tuple[np.ndarray, np.ndarray]:
        """See ``Tracker``."""
        import torch

        network: Any = self._network  # type: ignore[attr-defined]
        device = next(network.parameters()).device
        video = np.stack(list(frames))
        points = np.asarray(first_points, dtype=np.float64)
        if len(video) == 1:
            return points[None], np.ones((1, len(points)), dtype=bool)
        queries = np.concatenate([np.zeros((len(points), 1)), points], axis=1)  # frame 0, x, y
        with torch.inference_mode():
            pixels = torch.from_numpy(video).to(device).permute(0, 3, 1, 2)[None].float()
            tracks, visible = network(pixels, queries=torch.from_numpy(queries).to(device, torch.float32)[None])
        followed = tracks[0].cpu().numpy().astype(np.float64)
        followed[0] = points  # the network's are rounded to float32
        return followed, visible[0].cpu().numpy().astype(bool)
