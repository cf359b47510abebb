"""Temporal quality of the generated video by itself."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from charachbench.errors import Unscored
from charachbench.protocols import Metric, Sample


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

    unit: ClassVar[str] = "grey levels"
    direction: ClassVar[Literal["up", "down"]] = "down"

    def extract(self, sample: Sample) -> np.ndarray:
        """float32 (T - 2,), mean over pixels for each frame between two others."""
        import cv2

        if len(sample.video) < 3:
            raise Unscored(f"flicker needs at least 3 frames, the video has {len(sample.video)}")
        height, width = sample.video.size
        frames = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in sample.video.frames]
        flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)

        def excess(frame: np.ndarray, neighbour: np.ndarray) -> np.ndarray:
            """How much brighter a frame is than its neighbour moved onto it, float32 (H, W)."""
            # An array in place of None, which the type stub asks for, would be taken as a first guess.
            motion = flow.calc(frame, neighbour, None)  # type: ignore[call-overload]
            there = cv2.add(pixels, motion)
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
