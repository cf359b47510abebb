"""Landmark-driven methods: find the character's landmarks, retarget the driver's motion, render."""

from pathlib import Path

from charachbench.benchmark.types import Benchmark, Pair
from charachbench.protocols import Animation, Animator, LandmarkSource, Loadable, Method, Retargeting
from charachbench.video import Video


class LandmarkDriven(Method):
    """What ``warp`` and ``faceshot`` are, with different parts.

    Args:
        landmarks: finds the character's landmarks.
        retargeting: moves them as the driver's move; without it the landmarks of the character alone are the result.
        animator: renders them; without it the landmarks are the result.
    """

    def __init__(
        self, landmarks: LandmarkSource, retargeting: Retargeting | None = None, animator: Animator | None = None
    ) -> None:
        self.landmarks, self.retargeting, self.animator = landmarks, retargeting, animator

    @property
    def random(self) -> bool:
        """Whether the animator renders through random weights."""
        return self.animator is not None and self.animator.random

    def prepare(self, benchmark: Benchmark, cache: Path) -> None:  # noqa: ARG002
        """Prepare the landmark source."""
        self.landmarks.prepare(cache)

    def fingerprint(self, pair: Pair) -> str:
        """What decides the character's landmarks and their rendering."""
        rendering = "" if self.animator is None else self.animator.fingerprint()
        return self.landmarks.fingerprint(pair.character) + rendering

    def set_up(self, mirror: str | None = None) -> None:
        """Set up the landmark source and the animator; a mirror is of the one of them that has a repository."""
        for part in self._parts():
            part.set_up(mirror)

    def lacks(self) -> str:
        """What the landmark source lacks, or the animator."""
        return next(filter(None, (part.lacks() for part in self._parts())), "")

    def load(self, device: str) -> None:
        """Load the landmark source and the animator."""
        for part in self._parts():
            part.load(device)

    def take_less(self) -> bool:
        """Have both take less."""
        took = [part.take_less() for part in self._parts()]
        return any(took)

    def close(self) -> None:
        """Close them."""
        for part in self._parts():
            part.close()

    def _parts(self) -> list[Loadable]:
        return [self.landmarks, *([] if self.animator is None else [self.animator])]

    def animate(self, pair: Pair, seed: int) -> Animation:
        """Frame 0 shows the character unchanged."""
        found = self.landmarks.find(pair.character)
        if self.retargeting is None:
            return Animation(landmarks=found.points[None], notes=found.notes)
        landmarks = self.retargeting.retarget(pair.driver.landmarks, found.points)
        if self.animator is None:
            return Animation(landmarks=landmarks, notes=found.notes)
        frames = self.animator.render(pair.character.image, found.points, landmarks, seed)
        return Animation(Video(frames, pair.driver.video.fps), landmarks, notes=found.notes)
