"""Fidelity: how close is the video to the true one, pixel by pixel?"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from charachbench.errors import Unscored
from charachbench.protocols import Metric, Need, Sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

Colour = Literal["luminance", "rgb"]

_WHITE = 255.0
_CHUNK = 16
"""Frames at once: few enough that long videos fit in memory, many enough to keep vector units busy."""


def _true_frames(sample: Sample) -> np.ndarray:
    truth = sample.pair.truth
    if truth is None:
        raise Unscored("the true video is not known")
    frames = sample.once("true frames", lambda: truth.video.frames)
    if frames.shape != sample.video.frames.shape:
        made, true = ("{} frames of {} x {}".format(*shape[:3]) for shape in (sample.video.frames.shape, frames.shape))
        raise Unscored(f"the video has {made} pixels, the truth {true}")
    return frames


def _chunks(sample: Sample, colour: Colour) -> Iterator[tuple[Tensor, Tensor]]:
    """The generated and the true frames, float32 (n, 1 or 3, H, W) in [0, 255]."""
    true = _true_frames(sample)
    for start in range(0, len(true), _CHUNK):
        part = slice(start, start + _CHUNK)
        yield _planes(sample.video.frames[part], colour), _planes(true[part], colour)


def _planes(frames: np.ndarray, colour: Colour) -> Tensor:
    import cv2
    import torch

    if colour == "luminance":
        planes = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)[None] for frame in frames])
    else:
        planes = np.ascontiguousarray(frames.transpose(0, 3, 1, 2))
    return torch.from_numpy(planes).float()


class Psnr(Metric):
    """Peak signal-to-noise ratio against the true video over RGB, per frame.

    Identical frames, infinitely good, count as ``ceiling`` so that means stay finite. Two values of a 256 x 256 frame
    that are one grey level off already give less.
    """

    unit: ClassVar[str] = "dB"
    direction: ClassVar[Literal["up", "down"]] = "up"
    needs: ClassVar[frozenset[Need]] = frozenset({"truth"})
    ceiling: ClassVar[float] = 100.0

    def extract(self, sample: Sample) -> np.ndarray:
        """float32 (T,), dB."""
        import torch
        from torchmetrics.functional.image import peak_signal_noise_ratio

        with torch.inference_mode():
            values = [
                peak_signal_noise_ratio(made, true, data_range=_WHITE, dim=(1, 2, 3), reduction="none")
                for made, true in _chunks(sample, "rgb")
            ]
            return np.asarray(torch.cat(values).clamp(max=self.ceiling))


class Ssim(Metric):
    """Structural similarity against the true video, per frame: Gaussian window, sigma 1.5, K1 = 0.01, K2 = 0.03.

    Reference: Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE TIP 2004.

    Args:
        colour: ``luminance`` (Rec. 601, 8 bits), as defined there; ``rgb``, the mean over the three channels, some four
            times slower.
    """

    direction: ClassVar[Literal["up", "down"]] = "up"
    needs: ClassVar[frozenset[Need]] = frozenset({"truth"})

    def __init__(self, colour: Colour = "luminance") -> None:
        self.colour = colour

    def extract(self, sample: Sample) -> np.ndarray:
        """float32 (T,), at most 1."""
        import torch

        with torch.inference_mode():
            return np.asarray(torch.cat([_similarity(*chunk) for chunk in _chunks(sample, self.colour)]))


def _similarity(made: Tensor, true: Tensor) -> Tensor:
    """(n, C, H, W) twice -> (n,)."""
    from torchmetrics.functional.image import structural_similarity_index_measure

    # Each plane is compared for itself, so frames may stand where channels do: much faster than in a batch.
    _, similarity = structural_similarity_index_measure(
        made.flatten(0, 1)[None], true.flatten(0, 1)[None], data_range=_WHITE, return_full_image=True
    )
    return similarity.reshape(made.shape).mean(dim=(1, 2, 3))
