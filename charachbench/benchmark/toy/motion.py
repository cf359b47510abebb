"""Scripted motion: what a driver does, as a smooth function of time that starts at rest."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

from charachbench.benchmark.toy.expression import Expression


@dataclass(frozen=True)
class Wave:
    """A repeated movement of one parameter.

    Attributes:
        parameter: of ``Expression``; ``blink`` is both eyes.
        amount: at its height.
        period: seconds.
        onset: seconds until it begins.
        kind: ``sway`` goes to both sides, ``pulse`` to one, ``blink`` is a short event once a period.
    """

    parameter: str
    amount: float
    period: float
    onset: float = 0.0
    kind: Literal["sway", "pulse", "blink"] = "sway"

    def at(self, time: float) -> float:
        """The value at a time in seconds."""
        since = time - self.onset
        if since <= 0:
            return 0.0
        if self.kind == "blink":
            phase = (since % self.period) / 0.3
            return self.amount * float(np.clip(1.4 * np.sin(np.pi * phase), 0, 1)) if phase < 1 else 0.0
        ease = min(since / 0.2, 1)
        ease *= ease * (3 - 2 * ease)
        angle = np.pi * since / self.period
        return self.amount * ease * float(np.sin(2 * angle) if self.kind == "sway" else np.sin(angle) ** 2)


_SCRIPTS: tuple[tuple[Wave, ...], ...] = (
    (  # talks to the viewer, brows keeping time
        Wave("jaw", 0.6, 0.34, 0.06, "pulse"),
        Wave("jaw", 0.35, 0.53, 0.1, "pulse"),
        Wave("stretch", 0.65, 0.71, 0.05),
        Wave("stretch", -0.35, 0.43, 0.2),
        Wave("blink", 1, 1.9, 0.5, "blink"),
        Wave("brow_raise", 0.9, 0.94, 0.25, "pulse"),
        Wave("smile", 0.35, 1.7, 0.3, "pulse"),
        Wave("yaw", -10, 1.7),
        Wave("pitch", 5, 0.66, 0.1),
        Wave("roll", 4, 1.5, 0.1),
        Wave("shift_x", -0.04, 1.7),
        Wave("gaze_y", 0.3, 1.6, 0.4),
    ),
    (  # looks round with a broad smile
        Wave("yaw", 24, 1.9, 0.04),
        Wave("roll", 8, 2.3, 0.1),
        Wave("smile", 1, 1.5, 0.1, "pulse"),
        Wave("jaw", 0.45, 0.75, 0.3, "pulse"),
        Wave("stretch", 0.6, 1.5, 0.15, "pulse"),
        Wave("blink", 1, 1.5, 0.78, "blink"),
        Wave("brow_raise", 0.6, 1.3, 0.2, "pulse"),
        Wave("pitch", -4, 1.4),
        Wave("shift_x", 0.06, 1.9, 0.04),
        Wave("gaze_x", 0.45, 1.9),
    ),
    (  # nods, doubts, and is astonished
        Wave("pitch", 12, 0.85, 0.05),
        Wave("jaw", 0.85, 1.15, 0.35, "pulse"),
        Wave("stretch", -0.9, 1.15, 0.35, "pulse"),
        Wave("brow_frown", 0.9, 0.7, 0.0, "pulse"),
        Wave("brow_raise", 1, 1.15, 0.4, "pulse"),
        Wave("blink", 1, 1.4, 0.22, "blink"),
        Wave("roll", -9, 2.1, 0.1),
        Wave("yaw", -13, 2.6, 0.15),
        Wave("smile", -0.5, 0.8, 0.0, "pulse"),
        Wave("shift_y", 0.05, 0.85, 0.05),
    ),
)

_LIMITS = {"jaw": (0, 1), "blink_left": (0, 1), "blink_right": (0, 1), "brow_frown": (0, 1)}
_LIMITS |= dict.fromkeys(("stretch", "smile", "brow_raise", "gaze_x", "gaze_y"), (-1, 1))


def script(index: int, seed: int = 0) -> tuple[Wave, ...]:
    """The movements of driver ``index``: three scripts in turn, timing and size varied by the seed."""
    generator = np.random.default_rng([seed, 2, index])
    spread = 0.06 if index < len(_SCRIPTS) else 0.2
    varied = []
    for wave in _SCRIPTS[index % len(_SCRIPTS)]:
        size, pace = 1 + generator.uniform(-spread, spread, 2)
        amount = wave.amount if wave.kind == "blink" else wave.amount * float(size)
        varied.append(Wave(wave.parameter, amount, wave.period * float(pace), wave.onset * float(pace), wave.kind))
    return tuple(varied)


def expression_at(waves: tuple[Wave, ...], time: float) -> Expression:
    """What a driver does at a time in seconds; at time 0 it is neutral."""
    values = {field.name: 0.0 for field in fields(Expression)}
    for wave in waves:
        value = wave.at(time)
        for name in ("blink_left", "blink_right") if wave.parameter == "blink" else (wave.parameter,):
            values[name] += value
    for name, (low, high) in _LIMITS.items():
        values[name] = min(max(values[name], low), high)
    return Expression(**values)
