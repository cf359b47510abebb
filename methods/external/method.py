"""A baseline of others, run as they wrote it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from charachbench import keys
from charachbench.benchmark.types import Pair
from charachbench.errors import PairFailure
from charachbench.protocols import Animation, Method
from charachbench.video import Video
from methods.external import results
from methods.external.job import Job, hand_over
from methods.external.recipe import Recipe
from methods.external.results import Ended
from methods.external.running import Upstream


class External(Upstream, Method):
    """Runs an upstream repository as it is.

    Args:
        recipe: what it is.
        random_weights: whether the weights that ``recipe.files`` names are random, which nobody can tell by looking.
        keep: a folder for the inputs, outputs and logs of every pair, which are otherwise removed; for looking into.
    """

    without_effect: ClassVar[tuple[str, ...]] = ("keep",)

    def __init__(self, recipe: Recipe, random_weights: bool = False, keep: str | None = None) -> None:
        super().__init__(recipe)
        self.random_weights = random_weights
        self.keep = None if keep is None else Path(keep).expanduser()
        self._expected: list[Pair] = []
        self._done: dict[str, tuple[Job, Ended]] = {}

    @property
    def random(self) -> bool:
        """As the configuration says."""
        return self.random_weights

    def fingerprint(self, pair: Pair) -> str:  # noqa: ARG002
        """See ``identity``."""
        return self.identity

    def expect(self, pairs: Sequence[Pair]) -> None:
        """Remember them: where the upstream does several at once, those that come next are done with each."""
        self._expected = list(pairs)

    def animate(self, pair: Pair, seed: int) -> Animation:
        """The upstream's video, checked against the driver; what was changed of it is in the notes.

        Raises:
            PairFailure: there is none, with the kind of failure and the log.
        """
        job, ended = self._done.pop(pair.name) if pair.name in self._done else self._do(pair, seed)
        try:
            made = self._well_made(job, ended) if ended.pairs > 1 else None
            if ended.pairs > 1 and made is None:  # another pair of that start may be at fault
                job = self._job(pair, seed)
                ended = self.run([job])
            frames, notes, degraded = made or results.read_frames(self.recipe, job, ended)
            printed = results.read_log(job)
        finally:
            if self.keep is not None:
                shutil.copytree(job.folder, self.keep / job.stem, dirs_exist_ok=True)
            shutil.rmtree(job.folder, ignore_errors=True)
        about: dict[str, Any] = {
            "commit": self.recipe.repository.commit,
            "packages": self.installation.installed,
            "upstream_seconds": round(ended.seconds, 3),
        }
        seconds = ended.seconds if self.recipe.batch > 1 else None
        return Animation(
            Video(frames, pair.driver.video.fps),
            notes={**about, **notes},
            degraded=degraded,
            log=printed,
            seconds=seconds,
        )

    def _do(self, pair: Pair, seed: int) -> tuple[Job, Ended]:
        """Run the upstream for a pair, where it does several at once with those that come next."""
        names = [other.name for other in self._expected]
        start = names.index(pair.name) + 1 if pair.name in names else len(names)
        several = 1 if self.recipe.worker is not None else self.recipe.batch
        jobs = {pair.name: self._job(pair, seed)}
        for other in [other for other in self._expected[start:] if other.name not in self._done][: several - 1]:
            with contextlib.suppress(Exception):  # it is told when that pair is asked for
                jobs[other.name] = self._job(other, seed)
        try:
            ended = self.run(list(jobs.values()))
        except Exception:  # of the hook
            if len(jobs) == 1:
                shutil.rmtree(jobs[pair.name].folder, ignore_errors=True)
                raise
            ended = Ended(0.0, status=1, pairs=len(jobs))
        for name, job in jobs.items():
            if results.collected(job) is not None:
                self._done[name] = job, ended
            elif name != pair.name:
                shutil.rmtree(job.folder, ignore_errors=True)
        return self._done.pop(pair.name, (jobs[pair.name], ended))

    def _well_made(self, job: Job, ended: Ended) -> tuple[np.ndarray, dict[str, Any], str] | None:
        """What ``read_frames`` gives, None where that is not all it should be."""
        try:
            made = results.read_frames(self.recipe, job, ended)
        except PairFailure:
            return None
        return None if made[2] else made  # degraded, by a log that is of all pairs of the start

    def _job(self, pair: Pair, seed: int) -> Job:
        stem = "p" + keys.digest([pair.name, pair.character.fingerprint, pair.driver.fingerprint, seed])[:12]
        face = pair.driver.landmarks if self.recipe.inputs.driver_crop == "face" else None
        shutil.rmtree(self.folder / stem, ignore_errors=True)
        return hand_over(
            self.folder / stem,
            stem,
            self.recipe.inputs,
            pair.character.image,
            seed,
            driver=pair.driver.video,
            face=face,
        )
