"""Where a result comes from: code, packages, machine and memory."""

from __future__ import annotations

import functools
import importlib.metadata
import inspect
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from charachbench import __version__, config, keys

PACKAGES = (
    "av",
    "diffusers",
    "mediapipe",
    "numpy",
    "opencv-contrib-python",
    "torch",
    "torchmetrics",
    "torchvision",
    "transformers",
)


@functools.cache
def code() -> dict[str, Any]:
    """Version of charachbench and, in a checkout, its commit and whether files differ from it."""
    folder = Path(__file__).parent

    def git(*arguments: str) -> str | None:
        try:
            command = ["git", "-C", str(folder), *arguments]
            return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            return None

    tracked = git("ls-files", "--error-unmatch", __file__) is not None  # not merely inside somebody else's repository
    commit = git("rev-parse", "HEAD") if tracked else None
    return {"version": __version__, "commit": commit, "dirty": bool(git("status", "--porcelain")) if commit else None}


@functools.cache
def packages() -> dict[str, str]:
    """Versions of Python and of the packages that can change a number."""
    installed = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            installed[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return installed


def sources(node: dict[str, Any], where: str) -> str:
    """Hash of the source files of all classes that a node names.

    Not part of any key, since most edits change no result; a difference is reported when results are reused.
    """
    files = {}
    for target in config.versions(node, where):
        path = inspect.getsourcefile(config.locate({"_target_": target}, where))
        files[target] = Path(path).read_text(encoding="utf-8") if path else ""
    return keys.digest(files)


def count_gpus() -> int:
    """How many GPUs of NVIDIA this process sees; asks the system, not torch, which takes seconds to import."""
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return len([name for name in visible.split(",") if name.strip() not in ("", "-1")])
    return len(list(Path("/proc/driver/nvidia/gpus").glob("*")))


def resolve_device(device: str) -> str:
    """``auto`` and ``auto:N`` made definite; from then on float32 means float32 on a GPU too, not its shorter TF32.

    Raises:
        UserError: the device is not one that torch has here.
    """
    import torch

    from charachbench.errors import UserError

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    kind, _, number = device.partition(":")
    if kind == "auto":
        if not torch.cuda.is_available():
            return "cpu"
        many = torch.cuda.device_count() > 1
        return f"cuda:{int(number) % torch.cuda.device_count()}" if number and many else "cuda"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device: '{device}' cannot be used here ({str(error).splitlines()[0]})") from error
    return device


def device_name(device: str) -> str:
    """The device in words."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()


class PeakMemory:
    """Peak memory of the process and of the GPU since construction, in MiB."""

    def __init__(self, device: str) -> None:
        self.device = device
        try:
            Path("/proc/self/clear_refs").write_text("5")  # Linux: start the high-water mark anew
            self.resettable = True
        except OSError:
            self.resettable = False
        if device.startswith("cuda"):
            import torch

            torch.cuda.reset_peak_memory_stats(device)

    def read(self) -> dict[str, float | None]:
        """``ram`` (of the whole process life where the system cannot reset it) and ``gpu`` (None without one)."""
        gpu = None
        if self.device.startswith("cuda"):
            import torch

            gpu = round(torch.cuda.max_memory_allocated(self.device) / 2**20, 1)
        return {"ram": round(self._ram(), 1), "gpu": gpu}

    def _ram(self) -> float:
        if self.resettable:
            for line in Path("/proc/self/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)
