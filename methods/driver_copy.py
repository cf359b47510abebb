"""The driver's own frames."""

import numpy as np

from charachbench.benchmark.types import Pair
from charachbench.protocols import Animation, Method
from charachbench.video import Video


class DriverCopy(Method):
    """Returns the driver, at the character's size: perfect motion, wrong identity."""

    def animate(self, pair: Pair, seed: int) -> Animation:  # noqa: ARG002
        """The driver's frames and landmarks; these say where tracking starts, as no frame shows the character."""
        import cv2

        driver, landmarks = pair.driver.video, pair.driver.landmarks
        height, width = pair.character.image.shape[:2]
        if driver.size != (height, width):
            scale = np.array([width / driver.size[1], height / driver.size[0]])
            landmarks = (landmarks + 0.5) * scale - 0.5  # pixel centres are at whole numbers
            frames = [cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in driver.frames]
            driver = Video(np.stack(frames), driver.fps)
        return Animation(driver, landmarks=landmarks, first_landmarks=landmarks[0])
