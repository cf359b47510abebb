"""What decides how a face looks at rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from charachbench.benchmark.toy.rig import Shape
from charachbench.benchmark.toy.texture import Texture

Kind = Literal["emoji", "fox", "teddy", "anime", "robot", "fruit", "monster", "doll", "human"]
Pattern = Literal["bokeh", "dots", "stripes", "stars", "rays", "waves"]


@dataclass(frozen=True)
class Look:
    """Colours (``#rrggbb``) and surfaces.

    Attributes:
        skin, line, texture: of the head; ``line`` is the colour of its drawn lines.
        accent, second: whatever else the kind has: markings, ears, horns, leaves.
        hair, hair_style, beard: of those that have hair.
        cloth: clothes.
        sclera, iris, iris_size, iris_aspect, pupil: iris_size is its radius over half the height of the eye;
            pupil is the pupil's radius over the iris's.
        lash: width of the line of the upper lid, in head units.
        brow, brow_width: in head units.
        nose, nose_style: skin is a shaded human nose.
        lip, mouth, tongue, teeth: of the mouth, and whether there are teeth.
        blush: opacity of the cheeks' colour.
        patches: whether eyes, ears and body are in the second colour, as a panda's.
        background, backdrop, pattern: its two colours, the pattern over them.
    """

    skin: str
    line: str
    texture: Texture
    background: str
    backdrop: str
    pattern: Pattern
    accent: str = "#ffffff"
    second: str = "#ffffff"
    hair: str = "#40302a"
    hair_style: Literal["long", "short", "bob", "none"] = "none"
    beard: bool = False
    cloth: str = "#4a78b8"
    sclera: str = "#fffdf8"
    iris: str = "#5b3a22"
    iris_size: float = 0.85
    iris_aspect: float = 1.0
    pupil: float = 0.5
    lash: float = 0.035
    brow: str = "#40302a"
    brow_width: float = 0.085
    nose: str = "#3a2a28"
    nose_style: Literal["skin", "pad", "plate", "bead"] = "skin"
    lip: str = "#b8565a"
    mouth: str = "#5a1620"
    tongue: str = "#e2686e"
    teeth: Literal["none", "upper", "fangs", "both"] = "upper"
    blush: float = 0.0
    patches: bool = False


@dataclass(frozen=True)
class Identity:
    """Everything that decides what a face looks like at rest.

    Attributes:
        name: lower-case snake.
        domain: as in the benchmark's folders; ``human`` for drivers.
        kind: which costume it wears.
        shape: proportions.
        look: colours and surfaces.
        seed: of its textures.
    """

    name: str
    domain: str
    kind: Kind
    shape: Shape
    look: Look
    seed: int = 0
