"""A mean human face: 68 landmarks of a frontal, neutral face with a closed mouth."""

import numpy as np

from charachbench.landmarks.topology import COUNT, MIRROR, box

# The half on the picture's left and the midline, placed by proportions as taught for drawing portraits: from
# eyebrows to chin a face is as high as it is wide; an eye takes a fifth of the width and the gap between the eyes a
# quarter; the nose ends half-way down; the lips meet at two thirds. x is in face widths from the midline, y in face
# heights below the brows.
_HALF = {
    0: (-0.500, 0.160), 1: (-0.497, 0.275), 2: (-0.485, 0.390), 3: (-0.462, 0.505), 4: (-0.425, 0.620),
    5: (-0.360, 0.735), 6: (-0.270, 0.845), 7: (-0.150, 0.945), 8: (0.000, 1.000),
    17: (-0.400, 0.060), 18: (-0.330, 0.015), 19: (-0.245, 0.000), 20: (-0.160, 0.015), 21: (-0.085, 0.050),
    27: (0.000, 0.165), 28: (0.000, 0.265), 29: (0.000, 0.365), 30: (0.000, 0.455),
    31: (-0.105, 0.520), 32: (-0.055, 0.535), 33: (0.000, 0.545),
    36: (-0.310, 0.170), 37: (-0.255, 0.135), 38: (-0.190, 0.135), 39: (-0.130, 0.175), 40: (-0.190, 0.195),
    41: (-0.255, 0.195),
    48: (-0.195, 0.690), 49: (-0.125, 0.655), 50: (-0.050, 0.635), 51: (0.000, 0.645),
    57: (0.000, 0.775), 58: (-0.060, 0.765), 59: (-0.125, 0.735),
    60: (-0.165, 0.690), 61: (-0.055, 0.678), 62: (0.000, 0.680), 66: (0.000, 0.704), 67: (-0.055, 0.702),
}  # fmt: skip


def mean_shape() -> np.ndarray:
    """float64 (68, 2), symmetric, in its own box: x and y from 0 to 1."""
    shape = np.full((COUNT, 2), np.nan)
    shape[list(_HALF)] = list(_HALF.values())
    right_half = np.isnan(shape[:, 0])
    shape[right_half] = (shape * [-1, 1])[MIRROR][right_half]
    return shape + np.array([0.5, 0.0])


def fit(face_box: np.ndarray) -> np.ndarray:
    """The mean face stretched over a box.

    Args:
        face_box: left, top, right, bottom, in pixels; from eyebrows to chin.

    Returns:
        float64 (68, 2) in pixels, whose ``topology.box`` is ``face_box``.
    """
    left, top, right, bottom = np.asarray(face_box, dtype=np.float64)
    shape = mean_shape()
    low, high = np.split(box(shape), 2)
    return (shape - low) / (high - low) * np.array([right - left, bottom - top]) + np.array([left, top])
