"""The kinds of face there are, with their colourways: data only, one entry a kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from charachbench.benchmark.toy.identity import Kind, Look
from charachbench.benchmark.toy.rig import Shape

# fmt: off

@dataclass(frozen=True)
class Family:
    """A kind of face with its colourways: names and what differs in the look."""

    domain: str
    kind: Kind
    shape: Shape
    look: Look
    colourways: Sequence[tuple[str, dict[str, Any]]]


FAMILIES = (
    Family(
        "emoji",
        "emoji",
        Shape(
            scale=0.37, centre=(0.5, 0.48), crown=1.0, chin=1.0, pivot=0.5, squareness=2.0, jaw_squareness=2.0, taper=0,
            eye_x=0.35, eye_y=-0.16, eye_width=0.175, eye_top=0.25, eye_bottom=0.21, eye_roundness=0.5, eye_slant=0,
            brow_x=0.37, brow_y=-0.58, brow_length=0.2, brow_arch=0.06, brow_slant=0.0,
            nose_top=-0.04, nose_tip=0.15, nose_base=0.2, nose_width=0.09, nose_lift=0.1,
            mouth_y=0.46, mouth_width=0.46, mouth_bend=0.2, lip_upper=0.035, lip_lower=0.04, gape=0.4, chin_drop=0.1,
        ),
        Look(
            skin="#ffcf33", line="#8a4b0f", texture="smooth", accent="#f08a1c", second="#fff3a0",
            background="#bfe6f7", backdrop="#7fb9ea", pattern="bokeh", iris="#4a2a14", iris_size=0.66, pupil=0.62,
            iris_aspect=1.15, brow="#8a4b0f", brow_width=0.085, nose="#e2922a", lip="#8a4b0f", mouth="#6d1a1c",
            blush=0.4, lash=0.03,
        ),
        (
            ("sunny_emoji", {}),
            ("minty_emoji", {
                "skin": "#7fdcb0", "accent": "#2f9f86", "second": "#d8fff0", "line": "#155a4e", "brow": "#155a4e",
                "lip": "#155a4e", "nose": "#46b795", "background": "#ffe1d2", "backdrop": "#f6a98f",
            }),
            ("rosy_emoji", {
                "skin": "#ff9db0", "accent": "#e0567c", "second": "#ffe0e6", "line": "#8a2346", "brow": "#8a2346",
                "lip": "#8a2346", "nose": "#ec7793", "background": "#d7f3e3", "backdrop": "#8fd0b8",
            }),
        ),
    ),
    Family(
        "animal",
        "fox",
        Shape(
            scale=0.29, centre=(0.5, 0.53), width=1.08, crown=0.98, chin=1.02, squareness=2.2, jaw_squareness=1.9,
            taper=0.3, cheek=0.1, cheek_y=0.22, depth=0.5, pivot=1.2,
            eye_x=0.44, eye_y=-0.1, eye_width=0.185, eye_top=0.19, eye_bottom=0.13, eye_roundness=0.62, eye_slant=0.05,
            brow_x=0.44, brow_y=-0.45, brow_length=0.17, brow_arch=0.05, brow_slant=0.02,
            nose_top=0.0, nose_tip=0.32, nose_base=0.47, nose_width=0.15, nose_lift=0.2,
            mouth_y=0.66, mouth_width=0.32, mouth_bend=0.07, lip_upper=0.028, lip_lower=0.035, gape=0.32,
            chin_drop=0.15, muzzle_y=0.5, muzzle_width=0.42, muzzle_height=0.36, muzzle_depth=0.2,
        ),
        Look(
            skin="#e8742c", line="#5a2a18", texture="fur", accent="#fff3e4", second="#4a2a22", cloth="#2f8f8a",
            background="#e3efc9", backdrop="#8fbf86", pattern="bokeh", iris="#c98a1e", iris_size=0.98, pupil=0.55,
            brow="#7a3716", brow_width=0.07, nose="#2a1c1e", nose_style="pad", lip="#4a231c", lash=0.045,
        ),
        (
            ("red_fox", {}),
            ("silver_fox", {
                "skin": "#8793a5", "line": "#2f3646", "second": "#2c3240", "cloth": "#c8475a", "iris": "#5aa0c8",
                "brow": "#414a5c", "lip": "#343b4b", "background": "#f3e4ee", "backdrop": "#b99ac4",
            }),
            ("sand_fox", {
                "skin": "#e2b878", "line": "#6a4526", "second": "#8a5a34", "cloth": "#5a6fc0", "iris": "#6e4a24",
                "brow": "#9a6a38", "background": "#fbe6cc", "backdrop": "#e0a574",
            }),
        ),
    ),
    Family(
        "toy",
        "teddy",
        Shape(
            scale=0.3, centre=(0.5, 0.51), width=1.1, crown=1.0, chin=0.98, squareness=2.15, jaw_squareness=2.2,
            taper=0.06, depth=0.5, pivot=1.15,
            eye_x=0.4, eye_y=-0.12, eye_width=0.13, eye_top=0.14, eye_bottom=0.12, eye_roundness=0.5, eye_slant=0,
            brow_x=0.41, brow_y=-0.42, brow_length=0.15, brow_arch=0.05, brow_slant=-0.02,
            nose_top=-0.02, nose_tip=0.2, nose_base=0.36, nose_width=0.17, nose_lift=0.14,
            mouth_y=0.58, mouth_width=0.26, mouth_bend=0.08, lip_upper=0.03, lip_lower=0.035, gape=0.3, chin_drop=0.13,
            muzzle_y=0.46, muzzle_width=0.5, muzzle_height=0.42, muzzle_depth=0.22,
        ),
        Look(
            skin="#b97a45", line="#5c3317", texture="plush", accent="#ecc796", second="#d9a56c", cloth="#d2383f",
            background="#fdebc8", backdrop="#efb98a", pattern="dots", sclera="#3b2416", iris="#23150f", iris_size=0.95,
            pupil=0.6, brow="#5c3317", brow_width=0.075, nose="#35201a", nose_style="pad", lip="#3f2416", teeth="none",
            lash=0.03, blush=0.0,
        ),
        (
            ("teddy_bear", {}),
            ("panda_plush", {
                "patches": True, "skin": "#f4efe8", "line": "#3b3a40", "accent": "#ffffff", "second": "#3b3a40",
                "cloth": "#3f9a6a",
                "brow": "#3b3a40", "background": "#dff1e4", "backdrop": "#9acdb4",
            }),
            ("berry_bear", {
                "skin": "#d98bb4", "line": "#7a2f5a", "accent": "#ffe0ee", "second": "#f3b6d3", "cloth": "#6a62c8",
                "brow": "#7a2f5a", "background": "#e4e4fb", "backdrop": "#aaa6e6",
            }),
        ),
    ),
    Family(
        "anime_2d",
        "anime",
        Shape(
            scale=0.295, centre=(0.5, 0.5), width=0.95, crown=1.12, chin=1.06, squareness=2.1, jaw_squareness=2.0,
            taper=0.36, cheek=0.05, cheek_y=0.3, depth=0.42, pivot=1.3,
            eye_x=0.43, eye_y=0.12, eye_width=0.215, eye_top=0.27, eye_bottom=0.19, eye_roundness=0.6, eye_slant=0.03,
            brow_x=0.43, brow_y=-0.3, brow_length=0.2, brow_arch=0.06, brow_slant=0.0,
            nose_top=0.3, nose_tip=0.5, nose_base=0.54, nose_width=0.05, nose_lift=0.12,
            mouth_y=0.76, mouth_width=0.2, mouth_bend=0.05, lip_upper=0.022, lip_lower=0.03, gape=0.26, chin_drop=0.1,
        ),
        Look(
            skin="#ffe3d3", line="#7a3b44", texture="smooth", hair="#f08bb4", accent="#c9f1ff", second="#e85a7a",
            cloth="#3d4f9f", background="#d9ecff", backdrop="#b7a8ee", pattern="stars", iris="#3a7be0", iris_size=0.88,
            iris_aspect=1.1, pupil=0.42, brow="#b2557e", brow_width=0.05, nose="#d08a80", lip="#d9707a",
            mouth="#8a2438", blush=0.55, lash=0.062,
        ),
        (
            ("sakura_girl", {}),
            ("azure_girl", {
                "hair": "#5fa8e8", "brow": "#35689f", "iris": "#e08a2e", "cloth": "#b8445c", "accent": "#fff2b0",
                "background": "#fff0d6", "backdrop": "#f7b79a",
            }),
            ("golden_girl", {
                "hair": "#f2c75a", "brow": "#a87a24", "iris": "#3fa46a", "cloth": "#3c7f78", "accent": "#ffd6e6",
                "background": "#dff5ea", "backdrop": "#8fcfd0",
            }),
        ),
    ),
    Family(
        "robot",
        "robot",
        Shape(
            scale=0.285, centre=(0.5, 0.53), width=1.05, crown=0.98, chin=0.98, squareness=5.0, jaw_squareness=4.6,
            taper=0.05, depth=0.4, pivot=1.2,
            eye_x=0.43, eye_y=-0.2, eye_width=0.22, eye_top=0.22, eye_bottom=0.2, eye_roundness=0.5, eye_slant=0,
            brow_x=0.43, brow_y=-0.62, brow_length=0.24, brow_arch=0.03, brow_slant=0.0,
            nose_top=-0.06, nose_tip=0.2, nose_base=0.27, nose_width=0.12, nose_lift=0.14,
            mouth_y=0.57, mouth_width=0.42, mouth_bend=0.07, lip_upper=0.065, lip_lower=0.07, gape=0.26, chin_drop=0.12,
        ),
        Look(
            skin="#a9b9c4", line="#35444f", texture="metal", accent="#e2653a", second="#ffd25a", cloth="#7f929e",
            background="#33475f", backdrop="#16222f", pattern="rays", sclera="#17303d", iris="#3fe0ea", iris_size=0.72,
            pupil=0.36, brow="#d9572f", brow_width=0.1, nose="#c8763e", nose_style="plate", lip="#6d7f8b",
            mouth="#1d2a33", tongue="#e2653a", teeth="both", lash=0.03,
        ),
        (
            ("tin_robot", {}),
            ("copper_robot", {
                "skin": "#cf8f62", "line": "#4f2f22", "accent": "#3f9f96", "second": "#c8ffe8", "cloth": "#a8714c",
                "iris": "#8dff8a", "brow": "#3f8f88", "nose": "#8a9aa0", "lip": "#94603f", "tongue": "#3f9f96",
                "background": "#4c3a55", "backdrop": "#221c33",
            }),
            ("cherry_robot", {
                "skin": "#c9525c", "line": "#4a1a28", "accent": "#f2e6d0", "second": "#8fe3ff", "cloth": "#a03e4c",
                "iris": "#ffd24a", "brow": "#f2e6d0", "nose": "#f2e6d0", "lip": "#8f3644", "tongue": "#ffd24a",
                "background": "#2f5a5c", "backdrop": "#152f36",
            }),
        ),
    ),
    Family(
        "fruit",
        "fruit",
        Shape(
            scale=0.335, centre=(0.5, 0.54), width=1.06, crown=0.98, chin=0.98, pivot=0.6, squareness=2.1,
            jaw_squareness=2.15, taper=0.04, depth=0.55,
            eye_x=0.36, eye_y=-0.1, eye_width=0.17, eye_top=0.2, eye_bottom=0.16, eye_roundness=0.52, eye_slant=0,
            brow_x=0.37, brow_y=-0.46, brow_length=0.18, brow_arch=0.06, brow_slant=-0.01,
            nose_top=0.0, nose_tip=0.18, nose_base=0.26, nose_width=0.11, nose_lift=0.14,
            mouth_y=0.5, mouth_width=0.34, mouth_bend=0.1, lip_upper=0.04, lip_lower=0.05, gape=0.34, chin_drop=0.1,
        ),
        Look(
            skin="#ff9a2e", line="#8f3f0c", texture="peel", accent="#5fae3c", second="#6b4423",
            background="#fdf3c4", backdrop="#a9dcc0", pattern="waves", iris="#3f7a32", iris_size=0.78, pupil=0.52,
            brow="#9a4a10", brow_width=0.075, nose="#ef7f1a", nose_style="bead", lip="#c2491c", blush=0.45, lash=0.035,
        ),
        (
            ("jolly_orange", {}),
            ("jolly_lime", {
                "skin": "#a5d243", "line": "#3f6412", "accent": "#3f8f3c", "iris": "#7a4a24", "brow": "#4f7a18",
                "nose": "#8fbe30", "lip": "#5f8a1c", "background": "#ffe8d0", "backdrop": "#f5a9a0",
            }),
            ("jolly_plum", {
                "skin": "#9a6cc4", "line": "#43235f", "accent": "#6fb84a", "iris": "#b8742a", "brow": "#4f2c70",
                "nose": "#8a58b8", "lip": "#6b3a8f", "background": "#fff0c9", "backdrop": "#f2c46c",
            }),
        ),
    ),
    Family(
        "monster",
        "monster",
        Shape(
            scale=0.29, centre=(0.5, 0.53), width=1.12, crown=1.05, chin=1.0, squareness=2.5, jaw_squareness=2.7,
            taper=0.0, crown_taper=0.1, depth=0.5, pivot=1.2,
            eye_x=0.42, eye_y=-0.22, eye_width=0.27, eye_top=0.3, eye_bottom=0.27, eye_roundness=0.5, eye_slant=0,
            brow_x=0.43, brow_y=-0.66, brow_length=0.26, brow_arch=0.04, brow_slant=-0.05,
            nose_top=0.08, nose_tip=0.24, nose_base=0.32, nose_width=0.13, nose_lift=0.16,
            mouth_y=0.54, mouth_width=0.5, mouth_bend=0.11, lip_upper=0.035, lip_lower=0.045, gape=0.36, chin_drop=0.13,
        ),
        Look(
            skin="#7a55c7", line="#341b66", texture="long_fur", accent="#f6d9a8", second="#4fd0c0", cloth="#6e4bb8",
            background="#ffd9b8", backdrop="#ef8f86", pattern="stripes", iris="#35b06a", iris_size=0.52, pupil=0.5,
            brow="#3f2180", brow_width=0.11, nose="#45c4b4", nose_style="bead", lip="#42228a", mouth="#3f1030",
            tongue="#f07a9a", teeth="fangs", lash=0.035,
        ),
        (
            ("grape_monster", {}),
            ("lagoon_monster", {
                "skin": "#2f9fae", "line": "#0f4552", "accent": "#ffe9a8", "second": "#ff9a5a", "cloth": "#2a8f9c",
                "iris": "#c8541e", "brow": "#135866", "nose": "#ff9a5a", "lip": "#14606e", "background": "#fff0c4",
                "backdrop": "#f4b860",
            }),
            ("lava_monster", {
                "skin": "#d8503c", "line": "#5c1414", "accent": "#5a4650", "second": "#ffc24a", "cloth": "#c44634",
                "iris": "#7a4fc0", "brow": "#6f1a16", "nose": "#ffc24a", "lip": "#78201a", "background": "#cfeef0",
                "backdrop": "#7fb4cf",
            }),
        ),
    ),
    Family(
        "toy",
        "doll",
        Shape(
            scale=0.3, centre=(0.5, 0.47), width=0.98, crown=1.05, chin=1.02, squareness=2.1, jaw_squareness=2.35,
            taper=0.1, depth=0.5, pivot=1.25,
            eye_x=0.38, eye_y=0.04, eye_width=0.15, eye_top=0.13, eye_bottom=0.1, eye_roundness=0.58, eye_slant=0.01,
            brow_x=0.38, brow_y=-0.24, brow_length=0.17, brow_arch=0.07, brow_slant=0.0,
            nose_top=0.06, nose_tip=0.32, nose_base=0.4, nose_width=0.1, nose_lift=0.18,
            mouth_y=0.63, mouth_width=0.22, mouth_bend=0.05, lip_upper=0.06, lip_lower=0.07, gape=0.28, chin_drop=0.12,
        ),
        Look(
            skin="#e3b27c", line="#6a3d1e", texture="wood", hair="#3a2420", accent="#d9453f", second="#ffd98a",
            cloth="#b92f3c", background="#cfe6e4", backdrop="#7fa9b8", pattern="dots", iris="#3f6f9f", iris_size=0.9,
            pupil=0.5, brow="#4a2a1c", brow_width=0.055, nose="#c98d56", lip="#c8323a", blush=0.75, lash=0.04,
            teeth="none",
        ),
        (
            ("wooden_doll", {}),
            ("walnut_doll", {
                "skin": "#a8734a", "hair": "#e0a030", "line": "#42220f", "cloth": "#2f6f8f", "accent": "#e2603f",
                "brow": "#5a3010", "nose": "#8a5732", "background": "#f6e6d8", "backdrop": "#d2a59a",
            }),
            ("birch_doll", {
                "skin": "#f0d4ac", "hair": "#a8452a", "line": "#7a4f2c", "cloth": "#4f8a4a", "accent": "#ef6f6a",
                "brow": "#7a3520", "nose": "#d8b084", "background": "#e6e2f6", "backdrop": "#a7a0d2",
            }),
        ),
    ),
)

_HUMAN = Shape(
    scale=0.285, centre=(0.5, 0.48), width=0.86, crown=1.12, chin=1.14, squareness=2.15, jaw_squareness=2.2, taper=0.3,
    cheek=0.02, depth=0.5, pivot=1.45,
    eye_x=0.37, eye_y=-0.04, eye_width=0.185, eye_top=0.125, eye_bottom=0.075, eye_roundness=0.68, eye_slant=0.012,
    brow_x=0.385, brow_y=-0.3, brow_length=0.2, brow_arch=0.05, brow_slant=0.0,
    nose_top=-0.02, nose_tip=0.36, nose_base=0.43, nose_width=0.14, nose_lift=0.24,
    mouth_y=0.7, mouth_width=0.28, mouth_bend=0.06, lip_upper=0.055, lip_lower=0.075, gape=0.3, chin_drop=0.16,
)

PEOPLE = (
    ("amira", _HUMAN, Look(
        skin="#b9805a", line="#5c3320", texture="skin", hair="#2b1a18", hair_style="long", cloth="#1f8a8a",
        iris="#4a2a16", iris_size=1.0, brow="#2b1a18", brow_width=0.06, nose="#8f5a3c", lip="#a8434a", lash=0.042,
        background="#e9e2d4", backdrop="#b9a993", pattern="bokeh", blush=0.25, teeth="both",
    )),
    ("jonas", replace(
        _HUMAN, width=0.88, taper=0.18, jaw_squareness=2.5, chin=1.18, eye_top=0.11, lip_upper=0.04, lip_lower=0.055,
        nose_width=0.155, brow_y=-0.24, brow_arch=0.03,
    ), Look(
        skin="#f0c3a0", line="#8a5236", texture="skin", hair="#b5622c", hair_style="short", beard=True, cloth="#43506b",
        iris="#4f8fae", iris_size=1.0, brow="#9a5022", brow_width=0.075, nose="#c98f6c", lip="#c4736a", lash=0.028,
        background="#d6e0e6", backdrop="#93a9b8", pattern="bokeh", blush=0.2, teeth="both",
    )),
    ("mei", replace(
        _HUMAN, width=0.87, chin=1.06, taper=0.36, eye_y=0.0, eye_top=0.115, eye_slant=0.03, brow_y=-0.22,
        nose_top=0.04, nose_width=0.12, nose_lift=0.2, mouth_width=0.24, mouth_y=0.67,
    ), Look(
        skin="#f6d5b4", line="#8f5a40", texture="skin", hair="#1f1d26", hair_style="bob", cloth="#e0a82e",
        iris="#33201a", iris_size=1.0, brow="#26222a", brow_width=0.055, nose="#d3a07c", lip="#cf5f68", lash=0.04,
        background="#e6dcec", backdrop="#b3a2c6", pattern="bokeh", blush=0.35, teeth="both",
    )),
)
