"""What is behind a face: a gradient with a soft pattern, so that there is something to see there that stays still."""

from __future__ import annotations

import numpy as np

from charachbench.benchmark.toy.canvas import Canvas, ellipse, mix, radial
from charachbench.benchmark.toy.identity import Identity


def backdrop(identity: Identity, size: int) -> Canvas:
    """A finished background, ``size`` pixels a side, in image units."""
    look = identity.look
    generator = np.random.default_rng([identity.seed, 20])
    canvas = Canvas((0, 0, 1, 1), size, planes=3)
    everything = np.array([(-1, -1), (2, -1), (2, 2), (-1, 2)])
    canvas.fill(everything, radial((0.42, 0.34), 0.85, look.background, look.backdrop))
    light = mix(look.background, "#ffffff", 0.5)
    if look.pattern == "bokeh":
        for x, y, radius in generator.uniform((0, 0, 0.025), (1, 1, 0.1), (26, 3)):
            canvas.fill(ellipse(x, y, radius, radius), light, 0.26, soft=0.006)
    elif look.pattern == "dots":
        for row in range(9):
            for column in range(9):
                at = (column / 8 + (row % 2) / 16, row / 8)
                canvas.fill(ellipse(*at, 0.016, 0.016), light, 0.55)
    elif look.pattern == "stripes":
        for left in np.arange(-1.0, 1.2, 0.16):
            band = np.array([(left, -0.1), (left + 0.08, -0.1), (left + 0.78, 1.1), (left + 0.7, 1.1)])
            canvas.fill(band, light, 0.28)
    elif look.pattern == "stars":
        for x, y, radius in generator.uniform((0, 0, 0.008), (1, 1, 0.03), (34, 3)):
            turn = np.arange(8) * np.pi / 4
            reach = np.where(np.arange(8) % 2, 0.3, 1.0) * radius
            canvas.fill(np.stack([x + reach * np.sin(turn), y + reach * np.cos(turn)], axis=-1), "#ffffff", 0.75)
    elif look.pattern == "rays":
        for start in np.arange(0, 2 * np.pi, np.pi / 9):
            angles = np.array([start, start + np.pi / 18])
            rim = np.stack([0.5 + 1.2 * np.cos(angles), 0.5 + 1.2 * np.sin(angles)], axis=-1)
            canvas.fill(np.concatenate([[(0.5, 0.5)], rim]), light, 0.13)
        for x, y, radius in generator.uniform((0, 0, 0.003), (1, 1, 0.009), (40, 3)):
            canvas.fill(ellipse(x, y, radius, radius), light, 0.6)
    else:
        x = np.linspace(-0.1, 1.1, 90)
        for number, y in enumerate(np.arange(0.05, 1.1, 0.13)):
            wave = np.stack([x, y + 0.022 * np.sin(2 * np.pi * (3 * x + 0.37 * number))], axis=-1)
            canvas.line(wave, 0.028, light, 0.45)
    return canvas
