"""What each kind of face wears: markings on its skin, ears, hair, horns and a body, drawn once per character.

All is in head units; see ``rig`` for what they are.
"""

from charachbench.benchmark.toy.costumes.common import Costume
from charachbench.benchmark.toy.costumes.creatures import FOX, MONSTER, TEDDY
from charachbench.benchmark.toy.costumes.people import ANIME, HUMAN
from charachbench.benchmark.toy.costumes.things import DOLL, EMOJI, FRUIT, ROBOT

COSTUMES: dict[str, Costume] = {
    "emoji": EMOJI,
    "fox": FOX,
    "teddy": TEDDY,
    "anime": ANIME,
    "robot": ROBOT,
    "fruit": FRUIT,
    "monster": MONSTER,
    "doll": DOLL,
    "human": HUMAN,
}
