"""What every animator asks of its arguments."""

import numpy as np

from charachbench.errors import UserError


def check(name: str, image: np.ndarray, source: np.ndarray, landmarks: np.ndarray) -> None:
    """Check the arguments of ``Animator.render``.

    Args:
        name: of the animator, for messages.
        image: see ``Animator.render``.
        source: see there.
        landmarks: see there.

    Raises:
        UserError: one has the wrong shape or type, or holds values that are not finite.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or min(image.shape[:2]) < 2:
        raise UserError(
            f"{name}: the image must be uint8 RGB (H, W, 3) of at least 2 x 2, got {image.dtype} {image.shape}"
        )
    if source.shape != (68, 2):
        raise UserError(f"{name}: the source landmarks must have shape (68, 2), got {source.shape}")
    if landmarks.ndim != 3 or landmarks.shape[1:] != (68, 2) or not len(landmarks):
        raise UserError(
            f"{name}: the landmarks must have shape (T, 68, 2) with at least one frame, got {landmarks.shape}"
        )
    if not np.isfinite(source).all():
        raise UserError(f"{name}: the source landmarks hold values that are not finite")
    finite = np.isfinite(landmarks).all(axis=(1, 2))
    if not finite.all():
        raise UserError(f"{name}: the landmarks of frame {int(finite.argmin())} hold values that are not finite")
