"""Who there is: characters of several domains and human drivers, all from one seed."""

from __future__ import annotations

import colorsys
from dataclasses import fields, replace
from typing import Any

import numpy as np

from charachbench.benchmark.toy.canvas import colour
from charachbench.benchmark.toy.families import FAMILIES, PEOPLE
from charachbench.benchmark.toy.identity import Identity, Look
from charachbench.benchmark.toy.rig import Shape

_STEADY = {"scale", "centre", "squareness", "jaw_squareness", "depth", "pivot", "eye_y", "nose_top", "nose_tip"}
_STEADY |= {"nose_base", "mouth_y", "brow_y", "crown", "chin", "eye_roundness", "cheek_y", "muzzle_y"}
"""Proportions that hang together and are left alone."""


def _varied(shape: Shape, generator: np.random.Generator, amount: float) -> Shape:
    values = {field.name: getattr(shape, field.name) for field in fields(shape) if field.name not in _STEADY}
    return replace(shape, **{name: value * (1 + generator.uniform(-amount, amount)) for name, value in values.items()})


def _tinted(look: Look, generator: np.random.Generator, amount: float) -> Look:
    """All colours turned in hue together, so that they still suit each other."""
    turn, gain = generator.uniform(-amount, amount), 1 + generator.uniform(-amount, amount)

    def tint(value: str) -> str:
        hue, lightness, saturation = colorsys.rgb_to_hls(*(channel / 255 for channel in colour(value)))
        channels = colorsys.hls_to_rgb((hue + turn) % 1, lightness, min(saturation * gain, 1))
        return "#" + "".join(f"{round(channel * 255):02x}" for channel in channels)

    values: dict[str, Any] = {field.name: getattr(look, field.name) for field in fields(look)}
    colours = {name: tint(value) for name, value in values.items() if str(value).startswith("#")}
    return replace(look, **{**values, **colours})


def characters(count: int, seed: int = 0) -> list[Identity]:
    """The first ``count`` characters under a seed, of distinct names; they do not depend on ``count``."""
    result = []
    for index in range(count):
        cycle, place = divmod(index, len(FAMILIES))
        family = FAMILIES[place]
        lap, way = divmod(cycle, len(family.colourways))
        name, changes = family.colourways[way]
        generator = np.random.default_rng([seed, 0, index])
        shape = _varied(family.shape, generator, 0.03 + 0.03 * min(cycle, 2))
        look = _tinted(replace(family.look, **changes), generator, 0.015 + 0.02 * min(lap, 2))
        name = f"{name}_{lap + 1}" if lap else name
        result.append(Identity(name, family.domain, family.kind, shape, look, int(generator.integers(2**31))))
    return result


def drivers(count: int, seed: int = 0) -> list[Identity]:
    """The first ``count`` people that drive, likewise."""
    result = []
    for index in range(count):
        lap, place = divmod(index, len(PEOPLE))
        name, shape, look = PEOPLE[place]
        generator = np.random.default_rng([seed, 1, index])
        shape = _varied(shape, generator, 0.02 + 0.03 * min(lap, 2))
        look = _tinted(look, generator, 0.008)
        if lap:
            other = PEOPLE[(place + lap) % len(PEOPLE)][2]
            look = replace(look, hair=other.hair, brow=other.brow, cloth=other.cloth, beard=False)
        name = f"{name}_{lap + 1}" if lap else name
        result.append(Identity(name, "human", "human", shape, look, int(generator.integers(2**31))))
    return result
