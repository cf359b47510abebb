"""Lossless encoding and decoding at 512 px, beside one PNG a frame."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from benchmarks import seconds
from charachbench.benchmark.toy.cast import characters
from charachbench.benchmark.toy.motion import expression_at, script
from charachbench.benchmark.toy.render import Painter
from charachbench.video import Video, read, write_lossless, write_preview

FRAMES, SIZE = 100, 512


def clip() -> Video:
    """A character that talks."""
    painter, motion = Painter(characters(1, 0)[0], SIZE), script(0, 0)
    return Video(np.stack([painter.draw(expression_at(motion, index / 25))[0] for index in range(FRAMES)]), 25.0)


def rate(action: Callable[[], object]) -> float:
    """Frames per second, the best of three."""
    return FRAMES / seconds(action, 3)


def main() -> None:
    video = clip()
    with tempfile.TemporaryDirectory() as folder:
        path, images = Path(folder) / "video.mkv", [Path(folder) / f"{index}.png" for index in range(FRAMES)]

        def write_images() -> None:
            for image, frame in zip(images, video.frames, strict=True):
                cv2.imwrite(str(image), frame)

        encode, encode_png = rate(lambda: write_lossless(video, path)), rate(write_images)
        preview = rate(lambda: write_preview(video, Path(folder) / "preview.mp4"))
        decode, decode_png = rate(lambda: read(path)), rate(lambda: [cv2.imread(str(image)) for image in images])
        if not np.array_equal(read(path).frames, video.frames):
            raise SystemExit("the lossless video is not lossless")
        size, size_png = path.stat().st_size, sum(image.stat().st_size for image in images)
    print(f"{SIZE} px, frames/s: encode {encode:.0f} (PNG {encode_png:.0f}, x{encode / encode_png:.1f}), ", end="")
    print(f"decode {decode:.0f} (PNG {decode_png:.0f}, x{decode / decode_png:.1f}), preview {preview:.0f}; ", end="")
    print(f"size {size / size_png:.2f} of PNG's")


if __name__ == "__main__":
    main()
