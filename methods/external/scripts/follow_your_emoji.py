"""Makes what Follow-Your-Emoji is driven by, a template of motion, with its own detector.

Usage, in the checkout: ``python follow_your_emoji.py DRIVER IMAGE TEMPLATE``; the template is a ``.npy`` with a
dictionary for every frame of DRIVER. Where it finds a face in IMAGE the code drops the template's first frame, which
therefore stands there twice then: the result has all frames of DRIVER either way.
"""

import importlib
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Make it, or end with status 1 where a frame has no face."""
    driver, image, template = sys.argv[1:4]
    sys.path[0] = str(Path.cwd())
    cv2, numpy = importlib.import_module("cv2"), importlib.import_module("numpy")
    detect = importlib.import_module("media_pipe").FaceMeshDetector()
    video = cv2.VideoCapture(driver)
    found: list[Any] = []
    while True:
        there, frame = video.read()
        if not there:
            break
        face = detect(frame[..., ::-1])[1]
        if face is None:
            sys.exit(f"no face in frame {len(found)} of the driver")
        found.append(face)
    if detect(cv2.imread(image)[..., ::-1])[1] is None:
        sys.stdout.write("no face on the character: the driver's landmarks are not aligned to it\n")
    else:
        found.insert(0, found[0])
    numpy.save(template, found)


if __name__ == "__main__":
    main()
