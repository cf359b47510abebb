"""What AniPortrait takes, made from 68 landmarks; it runs in an environment of its own (``animator=aniportrait``).

AniPortrait (Wei et al., "AniPortrait: Audio-Driven Synthesis of Photorealistic Portrait Animation", 2024) moves an
image by pictures of lines: one of the face in the image, one per frame. It draws them itself, by MediaPipe's face mesh,
which it finds on human faces only. FaceShot (ICLR 2025) gives it retargeted landmarks instead, and so do we.

Against its own drawings, those from the 68 landmarks have fewer and longer lines: the boundary begins at the ears and
not at the temples, an eye has 6 corners and not 16, and an eyebrow is one line. The mesh has an upper and a lower line
there; ours is where landmarks are annotated, mostly the upper one. It is as thin as any other: a thick one would be a
thing that the network never saw.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np

from charachbench import pictures
from charachbench.errors import UserError
from charachbench.store import atomic_write, write_json
from charachbench.video import Video, write_lossless
from methods.animators import inputs
from methods.animators.drawing import Curve, draw

COMMIT = "7f6593fd971c95b65f603c15ef8ce2c3fc7f5404"
"""Of github.com/Zejun-Yang/AniPortrait, by which everything here goes."""

SIZE = 512
"""Pixels that AniPortrait's drawings are wide and high, whatever the image."""

FPS = 25.0
"""Of the video of poses; AniPortrait's network knows no rate, its script copies it to what it makes."""

POSE_CURVES = (
    Curve(tuple(range(17)), (10, 200, 10)),  # boundary
    Curve((42, 43, 44, 45, 46, 47, 42), (180, 200, 10)),  # left eye: the subject's, right in the picture
    Curve((22, 23, 24, 25, 26), (180, 220, 10)),  # left eyebrow
    Curve((36, 37, 38, 39, 40, 41, 36), (10, 200, 180)),  # right eye
    Curve((17, 18, 19, 20, 21), (10, 220, 180)),  # right eyebrow
    # AniPortrait's names of the mouth's quarters are the other way round, with "left" for the left of the picture.
    Curve((48, 59, 58, 57), (10, 180, 20)),  # outer edge of the lower lip, right
    Curve((57, 56, 55, 54), (20, 10, 180)),  # ... left
    Curve((60, 67, 66), (100, 100, 30)),  # inner edge of the lower lip, right
    Curve((66, 65, 64), (100, 150, 50)),  # ... left
    Curve((48, 49, 50, 51), (20, 80, 100)),  # outer edge of the upper lip, right
    Curve((51, 52, 53, 54), (80, 100, 20)),  # ... left
    Curve((60, 61, 62), (120, 100, 200)),  # inner edge of the upper lip, right
    Curve((62, 63, 64), (150, 120, 100)),  # ... left
)
"""AniPortrait's lines on the 68 landmarks, in its order of drawing and in the network's order of channels.

The network is trained on the drawings as they are made; its inference turns the red, green and blue of a video of
poses into blue, green and red first. So these colours in an RGB file have red and blue exchanged.
"""


def pose_images(landmarks: np.ndarray, height: int, width: int, size: int = SIZE) -> np.ndarray:
    """AniPortrait's drawings of landmarks.

    Lines that end outside of the image are left out, as there. Other sizes than 512 are resized from it, as there.

    Args:
        landmarks: float (T, 68, 2), (x, y) in pixels of the image, whole numbers being the middles of pixels.
        height: of the image, which is squashed to a square.
        width: of the image.
        size: of the drawings.

    Returns:
        uint8 (T, size, size, 3), in the network's order of channels: in a picture, blue, green and red.

    Raises:
        UserError: a landmark is not finite.
    """
    import cv2

    if not np.isfinite(landmarks).all():
        raise UserError("aniportrait: the landmarks hold values that are not finite")
    shares = (landmarks + 0.5) / (width, height)
    inside = ((shares >= 0) & (shares <= 1)).all(axis=-1, keepdims=True)
    places = np.where(inside, np.minimum(shares * SIZE, SIZE - 1), np.nan)
    drawings = draw(places, POSE_CURVES, SIZE, SIZE)
    return drawings if size == SIZE else np.stack([cv2.resize(drawing, (size, size)) for drawing in drawings])


def write_inputs(folder: Path, image: np.ndarray, source: np.ndarray, landmarks: np.ndarray, fps: float) -> None:
    """Write what AniPortrait's ``scripts/pose2vid.py`` takes.

    - ``reference.png``, the image, squashed to 512 x 512 by the filter that AniPortrait uses before it encodes it;
    - ``poses.mkv``, the drawings of ``landmarks``, without loss: the script reads any video that FFmpeg does. Its own
      videos of poses are lossy, its training drawings are not;
    - ``reference_pose.png``, the drawing of ``source``: the script has no argument for it, but detects a human face in
      the image and draws that; who calls its pipeline gives this as ``ref_pose_image``, as ``cv2.imread`` reads it;
    - ``inputs.json``, what this is, written last: where it is, all is whole.

    Args:
        folder: made if it is not there.
        image: uint8 RGB (H, W, 3).
        source: float (68, 2), its landmarks, (x, y) in pixels.
        landmarks: float (T, 68, 2), likewise.
        fps: frames per second of ``poses.mkv``.

    Raises:
        UserError: an argument is not as it should be, or the folder cannot be written.
    """
    from PIL import Image

    inputs.check("aniportrait", image, source, landmarks)
    drawings = pose_images(np.concatenate([source[None], landmarks]), *image.shape[:2])[..., ::-1]
    poses = Video(drawings[1:], fps)
    reference = np.asarray(Image.fromarray(image).resize((SIZE, SIZE), Image.Resampling.LANCZOS))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be made ({error.strerror}); accepted is a folder to write to") from error
    atomic_write(folder / "reference.png", lambda aside: pictures.save(aside, reference))
    atomic_write(folder / "reference_pose.png", lambda aside: pictures.save(aside, drawings[0]))
    atomic_write(folder / "poses.mkv", lambda aside: write_lossless(poses, aside))
    about = {
        "aniportrait": COMMIT,
        "image": {"height": image.shape[0], "width": image.shape[1]},
        "size": SIZE,
        "frames": len(poses),
        "fps": fps,
        "colours": "of the network; the files hold them with red and blue exchanged",
        "curves": [asdict(curve) for curve in POSE_CURVES],
    }
    write_json(folder / "inputs.json", about)
