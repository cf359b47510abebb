"""The true video."""

from charachbench.benchmark.types import Pair
from charachbench.errors import UserError
from charachbench.protocols import Animation, Method


class Oracle(Method):
    """Returns the truth: what a perfect method would score, so each metric's ceiling."""

    def animate(self, pair: Pair, seed: int) -> Animation:  # noqa: ARG002
        """The truth of the pair.

        Raises:
            UserError: the benchmark does not know it.
        """
        if pair.truth is None:
            raise UserError(f"method=oracle: the true video of pair '{pair.name}' is not known")
        return Animation(pair.truth.video, landmarks=pair.truth.landmarks)
