"""What a method is, where it comes from and what it asks for: the entry ``about`` of its configuration."""

from dataclasses import dataclass
from typing import Any

from charachbench import config
from charachbench.errors import UserError


@dataclass(frozen=True)
class About:
    """For readers alone: it changes no result and is part of no key.

    Attributes:
        title: what it is, in words.
        citation: authors, title, venue and year, short; empty where there is nothing to cite.
        url: of the code, or else the paper.
        licence: of code and weights, in a few words; empty where that goes without saying, as with controls.
        gpu_memory_gib: what it takes on a GPU, in GiB; 0 where it needs none, None where it is not known.
        needs_face: whether the character must have a face that a detector for human faces finds.
        note: how it fails on characters that are not human.
    """

    title: str
    citation: str = ""
    url: str = ""
    licence: str = ""
    gpu_memory_gib: float | None = None
    needs_face: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        if self.gpu_memory_gib is not None and not 0 <= self.gpu_memory_gib < float("inf"):
            raise UserError(f"about.gpu_memory_gib={self.gpu_memory_gib}: accepted are GiB from 0, or null")


def read(node: Any, where: str) -> About:
    """Check the entry of a configuration.

    Args:
        node: the entry.
        where: its name in the configuration, for messages.

    Raises:
        UserError: it holds something else than ``About`` does.
    """
    if not isinstance(node, dict):
        raise UserError(f"{where}: got {node!r}; accepted is a mapping with a title, see charachbench/about.py")
    return config.build({**node, "_target_": f"{__name__}.{About.__name__}"}, where, About)
