"""The simplest landmark-driven method."""

import numpy as np

from charachbench.benchmark.types import Pair
from charachbench.landmarks.topology import box_size
from charachbench.protocols import Animation, Animator, LandmarkSource, Method
from charachbench.video import Video


class Warp(Method):
    """Adds the driver's landmark displacements, scaled by face size, to the character's landmarks, and renders.

    Args:
        landmarks: where the character's landmarks come from.
        animator: what renders them.
    """

    def __init__(self, landmarks: LandmarkSource, animator: Animator) -> None:
        self.landmarks, self.animator = landmarks, animator

    def load(self, device: str) -> None:
        """Load the landmark source and the animator."""
        self.landmarks.load(device)
        self.animator.load(device)

    def animate(self, pair: Pair, seed: int) -> Animation:  # noqa: ARG002
        """Frame 0 shows the character unchanged."""
        source = self.landmarks.find(pair.character)
        driver = pair.driver.landmarks
        landmarks = source + (driver - driver[0]) * (box_size(source) / box_size(driver[0]))
        frames = self.animator.render(pair.character.image, source, landmarks)
        return Animation(Video(frames, pair.driver.video.fps), landmarks=landmarks.astype(np.float64))
