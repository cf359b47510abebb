"""A renderer of others that is driven by landmarks, run as they wrote it."""

from __future__ import annotations

import shutil

import numpy as np

from charachbench.protocols import Animator
from methods.external import results
from methods.external.job import hand_over
from methods.external.recipe import Recipe
from methods.external.running import Upstream


class ExternalAnimator(Upstream, Animator):
    """Hands an upstream the character and its landmarks.

    Args:
        recipe: what it is; its jobs have ``image``, ``source`` and ``landmarks``, and no ``driver``.
        random_weights: see ``External``.
    """

    def __init__(self, recipe: Recipe, random_weights: bool = False) -> None:
        super().__init__(recipe)
        self.random_weights = random_weights

    @property
    def random(self) -> bool:
        """As the configuration says."""
        return self.random_weights

    def fingerprint(self) -> str:
        """See ``identity``."""
        return self.identity

    def render(self, image: np.ndarray, source: np.ndarray, landmarks: np.ndarray, seed: int = 0) -> np.ndarray:
        """The upstream's frames, checked against the landmarks.

        Raises:
            PairFailure: there are none, with the kind of failure and the log.
        """
        folder = self.folder / "pair"
        shutil.rmtree(folder, ignore_errors=True)
        job = hand_over(folder, "p0", self.recipe.inputs, image, seed, source=source, landmarks=landmarks)
        return results.read_frames(self.recipe, job, self.run([job]))[0]
