"""A landmark detector of others, run as they wrote it."""

from __future__ import annotations

import shutil

import numpy as np

from charachbench.benchmark.types import Character
from charachbench.protocols import FoundLandmarks, LandmarkSource
from charachbench.store import read_array
from methods.external import results
from methods.external.job import hand_over
from methods.external.running import Upstream


class ExternalLandmarks(Upstream, LandmarkSource):
    """Hands an upstream the character, and takes 68 points.

    The recipe's jobs have ``image`` alone, and its result is a ``.npy``, float (68, 2), (x, y) in pixels of ``image``,
    whole numbers being the middles of pixels.
    """

    def fingerprint(self, character: Character) -> str:  # noqa: ARG002
        """See ``identity``."""
        return self.identity

    def find(self, character: Character) -> FoundLandmarks:
        """The upstream's points.

        Raises:
            PairFailure: there are none, with the kind of failure and the log.
        """
        folder = self.folder / "character"
        shutil.rmtree(folder, ignore_errors=True)
        job = hand_over(folder, "p0", self.recipe.inputs, character.image, seed=0)
        ended = self.run([job])
        path = results.collected(job)
        if path is None:
            raise results.failure(self.recipe.signs, job, ended, "it made no result")
        points = read_array(path)
        if points is None or points.shape != (68, 2) or not np.isfinite(points).all():
            found = "no array" if points is None else f"an array {points.shape}, or holds values that are not finite"
            raise results.failure(self.recipe.signs, job, ended, f"its result is {found}; wanted is (68, 2)")
        notes = {"commit": self.recipe.repository.commit}
        return FoundLandmarks(job.square.points_back(np.asarray(points, np.float64)), notes)
