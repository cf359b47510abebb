"""Pictures of any usual kind, read as 8-bit RGB."""

import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from charachbench import keys, untrusted
from charachbench.benchmark import files
from charachbench.benchmark.framing import Framing, Window
from charachbench.errors import UserError
from charachbench.landmarks import sidecar

VERSION = 1
Colour = tuple[int, int, int]


def read_image(path: Path, background: Colour = (255, 255, 255)) -> np.ndarray:
    """Read a PNG, JPEG or WebP, whatever its name ends in.

    It is turned upright as its EXIF data says, transparency is laid over ``background``, greyscale and palettes become
    RGB, 16-bit values keep their upper 8 bits, of an animation the first picture is taken. Colour profiles are ignored.

    Returns:
        uint8 RGB (H, W, 3).

    Raises:
        UserError: the file is missing, not such a picture, or larger than ``charachbench.untrusted`` accepts.
    """
    from PIL import Image, ImageOps

    warnings.simplefilter("error", Image.DecompressionBombWarning)  # refused below, by a narrower limit
    try:
        with Image.open(path, formats=("PNG", "JPEG", "WEBP")) as opened:
            untrusted.check_size(*opened.size, path)
            opened.load()
            image: Image.Image = opened
            if image.mode.startswith("I"):  # 16-bit greyscale, which Pillow would clip at 255 instead of scaling
                image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
            image = ImageOps.exif_transpose(image)
            if image.has_transparency_data:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, (*background, 255)), image)
            return np.array(image.convert("RGB"))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such picture") from error
    except UserError:
        raise
    except Exception as error:  # of a broken file Pillow's plug-ins raise whatever its numbers lead to
        raise UserError(f"{path}: cannot be read as a picture; accepted are whole PNG, JPEG and WebP files") from error


@dataclass(frozen=True, eq=False)
class Picture:
    """A character's picture, framed.

    Attributes:
        path: of the picture.
        sidecar: its (68, 2) landmarks in pixels of the upright picture, if it has any.
    """

    path: Path
    sidecar: Path | None
    framing: Framing
    background: Colour = (255, 255, 255)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all that decides ``image``."""
        annotation = files.digest(self.sidecar) if self.sidecar and self.framing.crop == "face" else ""
        rule = self.framing.fingerprint, self.background
        return keys.digest(["picture", VERSION, files.digest(self.path), rule, annotation])

    @cached_property
    def annotation_fingerprint(self) -> str:
        """Hash of all that decides ``landmarks``; empty where there are none."""
        return keys.digest([self.fingerprint, files.digest(self.sidecar)]) if self.sidecar else ""

    @cached_property
    def _framed(self) -> tuple[np.ndarray, Window, tuple[int, int]]:
        image = read_image(self.path, self.background)
        points = None
        if self.framing.crop == "face":
            if self.sidecar is None:
                raise UserError(
                    f"{self.path}: crop=face needs its landmarks in {self.path.with_suffix('.npy').name} beside it "
                    "or in the annotations folder; annotate it, or use crop=centre or crop=none"
                )
            points = sidecar.read(self.sidecar, image.shape[:2])
        window = self.framing.window(image.shape[:2], points)
        return window.image(image), window, image.shape[:2]

    @property
    def image(self) -> np.ndarray:
        """uint8 RGB (size, size, 3)."""
        return self._framed[0]

    @property
    def window(self) -> Window:
        """Which part of the picture is shown."""
        return self._framed[1]

    @property
    def source_size(self) -> tuple[int, int]:
        """(height, width) of the upright picture."""
        return self._framed[2]

    def landmarks(self) -> np.ndarray:
        """float64 (68, 2) in pixels of ``image``; only where there is a sidecar."""
        if self.sidecar is None:
            raise UserError(f"{self.path}: has no landmarks; put them into {self.path.with_suffix('.npy').name}")
        return self.window.points(sidecar.read(self.sidecar, self.source_size))
