"""What a face is doing at one moment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Expression:
    """Parameters of the rig; all zero is the neutral, frontal face. Left and right are the image's.

    Attributes:
        jaw: 0 closed to 1 wide open.
        stretch: -1 round lips to 1 wide lips.
        smile: -1 mouth corners down to 1 up.
        blink_left: 0 open to 1 shut.
        blink_right: 0 open to 1 shut.
        brow_raise: -1 down to 1 up.
        brow_frown: 0 to 1, inner ends down and together.
        gaze_x: -1 left to 1 right, on top of the eyes' staying on the viewer as the head turns.
        gaze_y: -1 up to 1 down.
        yaw: degrees, positive turns the nose to the image's right; meant for at most 30 either way.
        pitch: degrees, positive turns the nose down; at most 20.
        roll: degrees, positive is clockwise, about the base of the neck.
        shift_x: in head units (about half the width of the head).
        shift_y: likewise, positive is down.
    """

    jaw: float = 0.0
    stretch: float = 0.0
    smile: float = 0.0
    blink_left: float = 0.0
    blink_right: float = 0.0
    brow_raise: float = 0.0
    brow_frown: float = 0.0
    gaze_x: float = 0.0
    gaze_y: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    shift_x: float = 0.0
    shift_y: float = 0.0


NEUTRAL = Expression()
