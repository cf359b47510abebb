"""How the store encodes videos: which codecs there are, and which of them change a pixel."""

from __future__ import annotations

import re
from dataclasses import dataclass

from charachbench.errors import UserError

LOSSLESS = "lossless"
ACCEPTED = "lossless, lossless_small, h264_crf<0 to 51>, h264_444_crf<0 to 51>"
_H264 = re.compile(r"h264(?P<full>_444)?_crf(?P<crf>[0-9]|[1-4][0-9]|5[01])")


@dataclass(frozen=True)
class Codec:
    """What an encoder is told.

    Attributes:
        encoder: as FFmpeg calls it.
        pixel_format: what frames are converted to.
        options: the encoder's own.
        gop: frames from one that stands by itself to the next.
        lossless: whether frames read back bit for bit.
    """

    encoder: str
    pixel_format: str
    options: dict[str, str]
    gop: int
    lossless: bool = False


_LOSSLESS = {
    LOSSLESS: Codec("libx264rgb", "rgb24", {"qp": "0", "preset": "ultrafast"}, gop=12, lossless=True),
    "lossless_small": Codec("libx264rgb", "rgb24", {"qp": "0", "preset": "medium"}, gop=250, lossless=True),
}


def find(name: str) -> Codec:
    """The codec of this name.

    Raises:
        UserError: there is none.
    """
    if name in _LOSSLESS:
        return _LOSSLESS[name]
    if (found := _H264.fullmatch(name)) is None:
        raise UserError(f"store.codec: '{name}' is not known; accepted: {ACCEPTED}")
    # FFmpeg's own defaults, which is what others mean by a crf; but one thread: their number changes the pixels.
    options = {"crf": found["crf"], "preset": "medium", "threads": "1"}
    return Codec("libx264", "yuv444p" if found["full"] else "yuv420p", options, gop=250)


def deciding(name: str) -> str:
    """What of a codec decides scores: the same for all lossless ones, since their pixels are."""
    return LOSSLESS if find(name).lossless else name
