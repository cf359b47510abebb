"""A repository such as an upstream's, small enough to be cloned, set up and run within a second, offline."""

import base64
import hashlib
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from charachbench import config, keys
from charachbench.benchmark.types import Character, DetectedLandmarks, Driver, Pair
from charachbench.video import Video
from methods.external import External
from methods.external.job import Job
from methods.external.recipe import Recipe

ANIMATE = r'''
"""Writes grey frames, frame i at level 16 + 8 i, as uncompressed YUV; or does one of the things that upstreams do."""
import argparse, hashlib, json, os, pathlib, shutil, subprocess, sys, time
import toy_requirement


def write(path, frames, size, first=0):
    width, height = (int(side) for side in size.split("x"))
    with open(path, "wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F25:1 Ip A1:1 C444\n".encode())
        for index in range(first, first + frames):
            plane = bytes([16 + 8 * index]) * (width * height)
            file.write(b"FRAME\n" + plane + bytes([128]) * (2 * width * height))


def animate(image, driver, output, frames, mode="ok", size="32x32", extra=0):
    print(f"animating {os.path.basename(image)}: {mode}", flush=True)
    result = os.path.join(output, "result.y4m")
    if mode == "raise":
        raise ValueError("no luck today")
    if mode == "no_face":
        print("No face detected in the source image")
        sys.exit(1)
    if mode == "memory":
        raise MemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
    if mode == "silent":
        sys.exit(0)
    if mode == "die":
        os._exit(9)
    if mode == "garbage":
        pathlib.Path(result).write_bytes(b"this is no video" * 100)
        return
    if mode == "hang":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
        pathlib.Path(os.environ["TOY_NOTES"]).write_text(f"{os.getpid()} {child.pid}")
        time.sleep(100)
    if mode == "copy":
        shutil.copy(driver, os.path.join(output, "result.mp4"))
        return
    if mode == "vandal":
        for path in (image, driver, "animate.py", "data/notes.txt"):
            pathlib.Path(path).write_text("overwritten")
        pathlib.Path("left behind.txt").write_text("x")
        shutil.rmtree("checkpoints")
    if mode == "look":
        notes = {"environment": dict(os.environ), "cwd": os.getcwd(), "read": sys.stdin.read(), "path": sys.path}
        notes["checkpoint"] = pathlib.Path("checkpoints/toy.pth").read_text()
        notes["packages"] = [name for name in ("numpy", "toy_requirement", "charachbench") if importable(name)]
        pathlib.Path(os.environ["TOY_NOTES"]).write_text(json.dumps(notes))
    if mode == "degraded":
        print("warning: no face in the driver, alignment was skipped")
    write(result, frames + extra, size)
    if mode == "fail":
        sys.exit(3)


def importable(name):
    try:
        __import__(name)
    except ImportError:
        return False
    return True


def chosen(modes, image):
    """Of `HASH=mode` the one for this image, else that of `*=mode`."""
    known = dict(mode.split("=") for mode in modes)
    return known.get(hashlib.sha256(pathlib.Path(image).read_bytes()).hexdigest()[:12], known.get("*", "ok"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--image", required=True)
    parser.add_argument("--driver", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--frames", type=int, required=True)
    parser.add_argument("--modes", nargs="*", default=[])
    parser.add_argument("--size", default="32x32")
    parser.add_argument("--extra", type=int, default=0)
    options = parser.parse_args()
    mode = chosen(options.modes, options.image)
    animate(options.image, options.driver, options.output, options.frames, mode, options.size, options.extra)
'''

BATCH = r'''
"""Does the pairs of a list, one after the other, and ends at the first that it cannot do."""
import json, os, sys
import animate

with open(os.environ["TOY_NOTES"], "a") as notes:
    jobs = json.load(open(sys.argv[1]))
    notes.write(f"{len(jobs)}\n")
for job in jobs:
    mode = animate.chosen(sys.argv[2:], job["image"])
    animate.animate(job["image"], job["driver"], job["output"], job["frames"], mode)
'''

POINTS = r'''
"""Writes an array as numpy does: the first argument is copied to the second."""
import shutil, sys

if __name__ == "__main__":
    shutil.copy(sys.argv[1], sys.argv[2])
'''

FILES = {
    "animate.py": ANIMATE,
    "batch.py": BATCH,
    "points.py": POINTS,
    "broken.py": "import a_module_that_is_not_there\n",
    "data/notes.txt": "notes\n",
    "data/teaser.gif": "large\n",
    "tools/first.py": "import pathlib, sys\npathlib.Path(sys.argv[1]).write_text('by the first step')\n",
}


@dataclass(frozen=True)
class Toy:
    """The repository and what belongs to it.

    Attributes:
        repository: a git repository.
        commit: its last.
        wheel: a requirement.
        checkpoint: a file of weights.
        external: what ``$CHARACBENCH_EXTERNAL`` names.
    """

    repository: Path
    commit: str
    wheel: Path
    checkpoint: Path
    external: Path


def git(folder: Path, *arguments: str) -> str:
    line = ["git", "-C", str(folder), "-c", "user.name=Toy", "-c", "user.email=toy@example.org", *arguments]
    return subprocess.run(line, check=True, capture_output=True, text=True).stdout.strip()


def make(folder: Path) -> Toy:
    """Write all of it."""
    repository = folder / "größe & co" / "toy repo"
    for name, text in FILES.items():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text(text, encoding="utf-8")
    git(repository, "init", "--quiet")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "First")
    commit = git(repository, "rev-parse", "HEAD")
    (repository / "animate.py").write_text("raise RuntimeError('another commit')\n")
    git(repository, "commit", "--quiet", "-a", "-m", "Second")
    checkpoint = folder / "toy.pth"
    checkpoint.write_text("trained")
    return Toy(repository, commit, write_wheel(folder, "toy_requirement"), checkpoint, folder / "exter nal")


def write_wheel(folder: Path, name: str) -> Path:
    """A package with an empty module."""
    about = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": "",
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: toy\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = [f"{path},sha256={_hash(text)},{len(text)}" for path, text in files.items()]
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for inner, text in files.items():
            wheel.writestr(inner, text)
        wheel.writestr(f"{about}/RECORD", "\n".join([*lines, f"{about}/RECORD,,", ""]))
    return path


def _hash(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def steps(*flags: str) -> list[dict[str, Any]]:
    """What runs its script."""
    arguments = ["python", "animate.py", "--image", "{image}", "--driver", "{driver}", "--output", "{output}"]
    return [{"arguments": [*arguments, "--frames", "{frames}", *flags]}]


def node(toy: Toy, *flags: str, **changes: Any) -> dict[str, Any]:
    """A recipe as YAML has it.

    Args:
        toy: what it is of.
        flags: added to the arguments of its step.
        changes: of its entries, nested ones written as ``result__length``.
    """
    made: dict[str, Any] = {
        "_target_": "methods.external.recipe.Recipe",
        "repository": {"url": str(toy.repository), "commit": toy.commit},
        "environment": {
            "python": sys.executable,
            "requirements": [f"toy-requirement @ {toy.wheel.as_uri()}"],
            "entry": "animate",
        },
        "files": {"toy": {"weights": str(toy.checkpoint), "to": "checkpoints/toy.pth"}},
        "inputs": {"size": 32},
        "steps": steps(*flags),
        "result": {"path": "{output}/result.*"},
        "signs": {"no_face": ["^No face detected"], "degraded": {"ran without alignment": "alignment was skipped$"}},
        "cpu": True,
        "time_limit": 20,
    }
    for name, value in changes.items():
        group, _, inner = name.partition("__")
        if inner:
            made[group] = {**made[group], inner: value}
        else:
            made[group] = value
    return made


def recipe(toy: Toy, *flags: str, **changes: Any) -> Recipe:
    """The recipe that ``node`` describes."""
    return config.build(node(toy, *flags, **changes), "method.recipe", Recipe)


def method(toy: Toy, *flags: str, **changes: Any) -> External:
    """A method that is not loaded yet."""
    return External(recipe(toy, *flags, **changes))


def pair(name: str = "c0", size: tuple[int, int] = (32, 32), frames: int = 4, driver: str = "d0") -> Pair:
    """Of noise, which differs by the names; a driver without a face."""

    def no_face() -> DetectedLandmarks:
        raise ValueError("is not looked for")

    image = noise(name, (1, *size))[0]
    character = Character(name, "odd", keys.digest([name, size]), lambda: image)
    video = Video(noise(driver, (frames, 32, 32)), 25.0)
    return Pair(character, Driver(driver, keys.digest([driver, frames]), lambda: video, no_face))


def noise(name: str, shape: tuple[int, ...]) -> np.ndarray:
    seed = int(keys.digest(name)[:8], 16)
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


def only(folder: Path, image: np.ndarray, mode: str) -> str:
    """The mode for one image of 32 x 32 alone, as ``--modes`` takes it."""
    from charachbench import pictures

    pictures.save(folder / "only.png", image)
    return f"{hashlib.sha256((folder / 'only.png').read_bytes()).hexdigest()[:12]}={mode}"


def write_list(jobs: list[Job], work: Path) -> None:
    """A hook: what ``batch.py`` reads."""
    import json

    names = ("image", "driver", "output")
    listed = [{name: str(getattr(job, name)) for name in names} | {"frames": job.frames} for job in jobs]
    (work / "jobs.json").write_text(json.dumps(listed))


def broken_hook(jobs: list[Job], work: Path) -> None:
    """A hook that fails."""
    raise RuntimeError("the hook is broken")


def levels(video: Video | None) -> list[int]:
    """Of each frame, the index that the script wrote it with."""
    assert video is not None
    luma = video.frames.mean(axis=(1, 2, 3)) * 219 / 255
    return [round(float(level) / 8) for level in luma]


def tree(folder: Path) -> dict[str, str]:
    """Hashes of all files below a folder, but for git's own."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and ".git" not in path.parts]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
