"""A worker that runs in the toy's environment; what it does with an image stands in its arguments."""

import importlib
import os
import pathlib
import sys
import time
from typing import Any


def load(device: str, arguments: dict[str, Any]) -> dict[str, Any]:
    sys.stdout.write("loading\n")
    with pathlib.Path(os.environ["TOY_NOTES"]).open("a", encoding="utf-8") as notes:
        notes.write(f"load {device}\n")
    if arguments.get("fails"):
        raise OSError("no such checkpoint")
    if arguments.get("slow"):
        time.sleep(100)
    return {"animate": importlib.import_module("animate"), "modes": arguments.get("modes", [])}


def run(loaded: dict[str, Any], job: dict[str, Any]) -> None:
    animate = loaded["animate"]
    sys.stdout.write('{"ok": true}\nnot an answer\n')
    assert sys.stdin.read() == ""
    mode = animate.chosen(loaded["modes"], job["image"])
    animate.animate(job["image"], job["driver"], job["output"], job["frames"], mode)
