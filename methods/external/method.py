"""A baseline of others, run as they wrote it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from charachbench import keys
from charachbench.benchmark.types import Pair
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
            frames, notes, degraded = results.read_frames(self.recipe, job, ended)
            printed = results.read_log(job)
        finally:
            if self.keep is not None:
                shutil.copytree(job.folder, self.keep / job.stem, dirs_exist_ok=True)
            shutil.rmtree(job.folder, ignore_errors=True)
        about: dict[str, Any] = {"commit": self.recipe.repository.commit, "upstream_seconds": round(ended.seconds, 3)}
        return Animation(Video(frames, pair.driver.video.fps), notes={**about, **notes}, degraded=degraded, log=printed)

    def _do(self, pair: Pair, seed: int) -> tuple[Job, Ended]:
        """Run the upstream for a pair and for those that come next; then for it alone, should it have got nothing."""
        names = [other.name for other in self._expected]
        start = names.index(pair.name) + 1 if pair.name in names else len(names)
        later = [other for other in self._expected[start:] if other.name not in self._done][: self.recipe.batch - 1]
        jobs = {other.name: self._job(other, seed) for other in (pair, *later)}
        ended = self.run(list(jobs.values()))
        for name, job in jobs.items():
            if results.collected(job) is not None:
                self._done[name] = job, ended
            elif name != pair.name:
                shutil.rmtree(job.folder)
        if len(jobs) > 1 and pair.name not in self._done:  # another pair may be at fault
            shutil.rmtree(jobs[pair.name].folder)
            jobs[pair.name] = self._job(pair, seed)
            ended = self.run([jobs[pair.name]])
        return self._done.pop(pair.name, (jobs[pair.name], ended))

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
