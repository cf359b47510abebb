"""Temporal quality of the generated video by itself."""

from __future__ import annotations

import itertools
from typing import Any, ClassVar, Literal

import numpy as np

from charachbench.errors import Unscored, UserError
from charachbench.landmarks import topology
from charachbench.protocols import Metric, Sample
from metrics.landmarks import LandmarkMetric, first_landmarks_of, landmarks_of, positive
from metrics.tracking import Tracker

_LEAST_SIDE = 12
"""Of a frame, for dense inverse search."""


def _pixels(height: int, width: int) -> np.ndarray:
    """Where each pixel is, float32 (H, W, 2), (x, y)."""
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)


def _motion(flow: Any, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Optical flow from one grey frame to another, float32 (H, W, 2), pixels."""
    # An array in place of None, which the type stub asks for, would be taken as a first guess.
    motion: np.ndarray = flow.calc(source, target, None)
    return motion


def _grey(frames: np.ndarray) -> list[np.ndarray]:
    """Luminance of each frame, for optical flow."""
    import cv2

    shorter, longer = sorted(frames.shape[1:3])
    if shorter < max(_LEAST_SIDE, longer / 4):  # OpenCV's pyramid follows the longer side, and crashes on narrow frames
        raise Unscored(f"optical flow needs frames of {_LEAST_SIDE} pixels a side, at most four times as long as wide")
    return [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]


def _several(sample: Sample, least: int, what: str) -> np.ndarray:
    """The video's frames, if it has enough."""
    if len(sample.video) < least:
        raise Unscored(f"{what} needs at least {least} frames, the video has {len(sample.video)}")
    return sample.video.frames


class Flicker(Metric):
    """Luminance that comes and goes from frame to frame without motion, in grey levels of 255.

    Both neighbours of a frame are warped onto it by optical flow, as in the warping error of Lai et al., "Learning
    blind video temporal consistency", ECCV 2018. Where the frame is brighter than both, or darker than both, the
    smaller of the two differences counts; elsewhere nothing does. So a surface that comes into view or leaves it, which
    agrees with one neighbour, and a fade, which lies between both, are no flicker; and no occlusion mask is needed,
    which would hide flicker as well.

    A still image does not flicker, and sharp motion leaves a little through interpolation: read it beside the motion
    error, and against the oracle's value.
    """

    family: ClassVar[str] = "temporal"
    unit: ClassVar[str] = "grey levels"
    direction: ClassVar[Literal["up", "down"]] = "down"
    limits: ClassVar[tuple[float, float]] = (0, float("inf"))

    def protocol(self) -> dict[str, str | int | float]:
        """The flow."""
        return {"flow": "DIS ultrafast"}

    def extract(self, sample: Sample) -> np.ndarray:
        """float64 (T - 2,), mean over pixels for each frame between two others."""
        import cv2

        frames = _grey(_several(sample, 3, "flicker"))
        flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        pixels = _pixels(*sample.video.size)

        def excess(frame: np.ndarray, neighbour: np.ndarray) -> np.ndarray:
            """How much brighter a frame is than its neighbour moved onto it, float32 (H, W)."""
            there = cv2.add(pixels, _motion(flow, frame, neighbour))
            moved = cv2.remap(
                neighbour.astype(np.float32), there, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
            )  # type: ignore[call-overload]
            return cv2.subtract(frame, moved, dtype=cv2.CV_32F)

        values = []
        for before, frame, after in zip(frames, frames[1:], frames[2:], strict=False):
            first, second = excess(frame, before), excess(frame, after)
            brighter, darker = cv2.min(first, second).clip(min=0), cv2.max(first, second).clip(max=0)
            values.append(cv2.mean(brighter)[0] - cv2.mean(darker)[0])
        return np.array(values)


class WarpingError(Metric):
    """Mean squared difference of each frame to the next one warped onto it, outside occlusions, in thousandths.

    Over RGB values of 0 to 1 and pixels. Flow is that of dense inverse search (Kroeger et al., ECCV 2016), found in the
    generated video itself, for it has no other, as Lai et al. have; so what the flow can explain is not an error, and a
    still image is perfect: read it beside the motion error. A pixel is occluded where it leaves the frame, or where the
    flow there and back does not return: beyond 0.01 of the two flows' squared lengths plus 0.5 (Sundaram et al., ECCV
    2010). Motion boundaries, which Lai et al. leave out too, count here.

    Reference: Lai et al., "Learning blind video temporal consistency", ECCV 2018, equation 12.
    """

    family: ClassVar[str] = "temporal"
    unit: ClassVar[str] = "1e-3"
    direction: ClassVar[Literal["up", "down"]] = "down"
    limits: ClassVar[tuple[float, float]] = (0, float("inf"))

    def protocol(self) -> dict[str, str | int | float]:
        """Flow, occlusion and colour."""
        return {"flow": "DIS medium", "occlusion": "forward-backward", "colour": "rgb"}

    def extract(self, sample: Sample) -> np.ndarray:
        """float64 (at most T - 1,), for each frame that has a pixel which the next one shows too."""
        import cv2

        frames = _several(sample, 2, "warping error")
        grey, flow = _grey(frames), cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        pixels, last = _pixels(*sample.video.size), np.array(sample.video.size[::-1]) - 1

        def moved(values: np.ndarray, there: np.ndarray) -> np.ndarray:
            moved: np.ndarray = cv2.remap(
                values.astype(np.float32), there, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )  # type: ignore[call-overload]
            return moved

        errors = []
        for index in range(len(frames) - 1):
            forward = _motion(flow, grey[index], grey[index + 1])
            there = pixels + forward
            back = moved(_motion(flow, grey[index + 1], grey[index]), there)
            lengths = np.square(forward).sum(axis=-1) + np.square(back).sum(axis=-1)
            visible = np.square(forward + back).sum(axis=-1) <= 0.01 * lengths + 0.5
            visible &= ((there >= 0) & (there <= last)).all(axis=-1)
            if visible.any():
                difference = (moved(frames[index + 1], there) - frames[index])[visible] / 255
                errors.append(1e3 * np.square(difference).mean(dtype=np.float64))
        if not errors:
            raise Unscored("no frame shows anything of the one before")
        return np.array(errors)


class Jitter(LandmarkMetric):
    """Mean acceleration of the landmarks, in % of the inter-ocular distance per frame squared.

    The length of the second difference of each of the 68 landmarks; the inter-ocular distance is the character's
    annotated one. Steady motion has none, but real motion has some, more so at fewer frames per second, and a still
    image has none: read it beside the motion error, and against the oracle's value.

    Args:
        tracker: finds the landmarks of the generated video; None takes those that the method gives.
    """

    family: ClassVar[str] = "temporal"
    unit: ClassVar[str] = "%/frame²"
    direction: ClassVar[Literal["up", "down"]] = "down"
    limits: ClassVar[tuple[float, float]] = (0, float("inf"))

    def __init__(self, tracker: Tracker | None) -> None:
        super().__init__(tracker)

    def protocol(self) -> dict[str, str | int | float]:
        """Tracker and normaliser."""
        return {**super().protocol(), "normaliser": "inter_ocular"}

    def extract(self, sample: Sample) -> np.ndarray:
        """float64 (T - 2,), %."""
        points = landmarks_of(sample, self.tracker)
        if len(points) < 3:
            raise Unscored(f"acceleration needs at least 3 frames, there are {len(points)}")
        size = positive(topology.inter_ocular(first_landmarks_of(sample)), "character's face")
        return 100 * np.linalg.norm(np.diff(points, n=2, axis=0), axis=-1).mean(axis=-1) / size


class FrozenShare(Metric):
    """Share of frames that repeat the one before them, in %.

    A frame repeats it where their mean absolute difference over RGB is at most ``threshold``. Whether the driver rests
    at that moment is not asked: read it against the oracle's value.

    Args:
        threshold: in grey levels of 255.
    """

    family: ClassVar[str] = "temporal"
    unit: ClassVar[str] = "%"
    direction: ClassVar[Literal["up", "down"]] = "down"
    limits: ClassVar[tuple[float, float]] = (0, 100)

    def __init__(self, threshold: float = 0.1) -> None:
        if not 0 <= threshold < 255:
            raise UserError(f"threshold={threshold}: accepted are grey levels from 0, below 255")
        self.threshold = threshold

    def protocol(self) -> dict[str, str | int | float]:
        """The threshold."""
        return {"threshold": self.threshold, "colour": "rgb"}

    def extract(self, sample: Sample) -> np.ndarray:
        """float64 (T - 1,), 0 or 100."""
        import cv2

        frames = _several(sample, 2, "repetition")
        changes = np.array([cv2.norm(a, b, cv2.NORM_L1) / a.size for a, b in itertools.pairwise(frames)])
        return 100.0 * (changes <= self.threshold)
