"""Where the points of a known first image are in the frames after it, without a face detector."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from charachbench.errors import UserError
from charachbench.landmarks import topology
from charachbench.protocols import Device

if TYPE_CHECKING:
    from collections.abc import Iterable

_SMALLEST_WINDOW = 9
_NEIGHBOURHOOD = 0.2
_STIFFNESS = 0.1


@dataclass(frozen=True)
class Tracker(ABC):
    """Follows points from the first frame through a video; trackers of equal settings share their tracks.

    Args:
        min_reliable: share of points and frames that must be tracked, not lost, for a video to be scored.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    """Raised whenever points can change."""

    min_reliable: float = field(default=0.5, kw_only=True)

    def __post_init__(self) -> None:
        if not 0 <= self.min_reliable <= 1:
            raise UserError(f"tracker.min_reliable: must be from 0 to 1, got {self.min_reliable}")

    def protocol(self) -> dict[str, str | int | float]:
        """What a reader of the number must know, found without loading anything heavy."""
        return {"tracker": self.name}

    def identity(self) -> dict[str, Any]:
        """All that decides the points beside frames and first points, JSON-serialisable."""
        return {**asdict(self), **self.protocol(), "version": self.version}

    def load(self, device: Device) -> None:  # noqa: B027 - optional
        """Load weights onto a device.

        Raises:
            UserError: they, or the package that runs them, are missing.
        """

    @abstractmethod
    def track(
        self, frames: Iterable[np.ndarray], first_points: np.ndarray, *, landmarks: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """Follow points through a video.

        Args:
            frames: T of uint8 RGB (H, W, 3), all of one size.
            first_points: (N, 2), (x, y) in pixels of the first frame.
            landmarks: whether they are the 68 landmarks, of which a tracker may know what lies beside each.

        Returns:
            float64 (T, N, 2), and bool (T, N), false where a point was lost; its position is then a guess.
        """


@dataclass(frozen=True)
class LucasKanade(Tracker):
    """Pyramidal Lucas-Kanade tracking from frame to frame.

    A wide window first finds the motion, a narrow one then settles the position. Where two layers meet (an opening
    mouth, a head before its background) the windows lie on the side of the skin, which is what the line moves with. A
    point that does not come back to where it was when tracked backwards (Kalal et al., "Forward-backward error", ICPR
    2010) is lost: it is moved as its neighbours moved and tracked on from there, so every point has a position in every
    frame and a method gains nothing by making points hard to follow.

    All lengths are shares of the face's size (geometric mean of the sides of the points' box in the first frame), so a
    video scores the same at any resolution.

    Args:
        wide_window, narrow_window: side of the square that is matched around a point.
        levels: of the image pyramid above the frame itself.
        max_round_trip: forward-backward error above which a point is lost.
        min_reliable: see ``Tracker``.

    Reference: Bouguet, "Pyramidal implementation of the affine Lucas Kanade feature tracker", Intel, 2001.
    """

    name: ClassVar[str] = "lucas_kanade"
    version: ClassVar[int] = 1

    wide_window: float = 0.25
    narrow_window: float = 0.1
    levels: int = 3
    max_round_trip: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("wide_window", "narrow_window", "max_round_trip"):
            if getattr(self, name) <= 0:
                raise UserError(f"tracker.{name}: must be positive, got {getattr(self, name)}")
        if self.levels < 0:
            raise UserError(f"tracker.levels: must be 0 or more, got {self.levels}")

    def track(
        self, frames: Iterable[np.ndarray], first_points: np.ndarray, *, landmarks: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """See ``Tracker``; a lost point moves with its neighbours."""
        import cv2

        size = float(topology.box_size(first_points))
        points, reliable = [np.asarray(first_points, dtype=np.float64)], [np.ones(len(first_points), dtype=bool)]
        previous: np.ndarray | None = None
        for frame in frames:
            current = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
            if previous is not None:
                moved, found = self._step(previous, current, points[-1], size, landmarks)
                points.append(moved)
                reliable.append(found)
            previous = current
        return np.stack(points), np.stack(reliable)

    def _step(
        self, previous: np.ndarray, current: np.ndarray, points: np.ndarray, size: float, landmarks: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        narrow = _odd(self.narrow_window * size)
        reach = self.narrow_window * size / 2
        start = points + _towards_skin(points) * reach if landmarks else points
        rough, _ = _flow(previous, current, start, start, _odd(self.wide_window * size), self.levels)
        end, there = _flow(previous, current, start, rough, narrow, 0)
        # The way back begins with the motion of the whole face undone: knowing more would lead any point home.
        guess = end - np.median(end - start, axis=0)
        returned, back = _flow(current, previous, end, guess, narrow, 0)
        found = there & back & (np.linalg.norm(returned - start, axis=1) <= self.max_round_trip * size)
        moved = end - (start - points)
        if landmarks:
            moved = end - _towards_skin(moved) * reach  # the face may have turned
        moved[~found] = _follow(points, moved, found, size)
        return moved, found


def _towards_skin(points: np.ndarray) -> np.ndarray:
    """Unit vectors from lips away from the mouth's opening and from the boundary into the face; else 0; (68, 2)."""
    aside = np.zeros_like(points)
    along = points[topology.LEFT_MOUTH_CORNER] - points[topology.RIGHT_MOUTH_CORNER]
    down = np.array([-along[1], along[0]])
    aside[[*topology.UPPER_LIP]], aside[[*topology.LOWER_LIP]] = -down, down
    aside[topology.BOUNDARY] = points[topology.NOSE].mean(axis=0) - points[topology.BOUNDARY]
    return aside / np.maximum(np.linalg.norm(aside, axis=1, keepdims=True), np.finfo(float).tiny)


def _odd(length: float) -> int:
    return max(_SMALLEST_WINDOW, round(length) // 2 * 2 + 1)


def _flow(
    source: np.ndarray, target: np.ndarray, points: np.ndarray, guess: np.ndarray, window: int, levels: int
) -> tuple[np.ndarray, np.ndarray]:
    import cv2

    moved, status, _ = cv2.calcOpticalFlowPyrLK(
        source,
        target,
        points.astype(np.float32),
        guess.astype(np.float32),
        winSize=(window, window),
        maxLevel=levels,
        criteria=(cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 20, 0.03),
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    return moved.astype(np.float64), status.ravel() > 0


def _follow(points: np.ndarray, moved: np.ndarray, found: np.ndarray, size: float) -> np.ndarray:
    """Where each lost point is if it moves as the found points near it do; (lost, 2).

    Moving least squares with affine maps (Schaefer et al., SIGGRAPH 2006), drawn slightly towards pure translation so
    that few or collinear neighbours suffice. Nothing found: nothing moves.
    """
    lost = points[~found]
    if found.all() or not found.any():
        return lost
    squared = np.square(lost[:, None] - points[None, found]).sum(axis=-1) / (_NEIGHBOURHOOD * size) ** 2
    weight = np.exp(-(squared - squared.min(axis=1, keepdims=True)) / 2)
    weight /= weight.sum(axis=1, keepdims=True)
    centre, shift = weight @ points[found], weight @ (moved - points)[found]
    offset = points[None, found] - centre[:, None]
    change = (moved - points)[None, found] - shift[:, None]
    spread = np.einsum("ij,ija,ijb->iab", weight, offset, offset)
    spread += np.eye(2) * (_STIFFNESS * _NEIGHBOURHOOD * size) ** 2
    linear = np.linalg.solve(spread, np.einsum("ij,ija,ijb->iab", weight, offset, change))
    return lost + shift + np.einsum("ia,iab->ib", lost - centre, linear)
