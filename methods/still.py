"""The character, frozen."""

import numpy as np

from charachbench.benchmark.types import Pair
from charachbench.protocols import Animation, Method
from charachbench.video import Video


class Still(Method):
    """Repeats the character image: nothing moves, identity is perfect."""

    def animate(self, pair: Pair, seed: int) -> Animation:  # noqa: ARG002
        """The image, as often as the driver has frames."""
        driver = pair.driver.video
        return Animation(Video(np.repeat(pair.character.image[None], len(driver), axis=0), driver.fps))
