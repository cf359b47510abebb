"""`charachbench doctor`: report what this machine has, and what it lacks."""

from __future__ import annotations

import importlib.metadata
import io
import netrc
import os
import platform
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from charachbench import output, weights
from charachbench.config import Config
from charachbench.weights.status import State, Status, status

if TYPE_CHECKING:
    from rich.table import Table

CODECS = {
    "libx264rgb": ("rgb24", "matroska", "results, without loss"),
    "libx264": ("yuv420p", "mp4", "previews"),
    "ffv1": ("bgr0", "matroska", "truth and results of others"),
    "libvpx-vp9": ("yuv420p", "webm", "drivers"),
}
"""Encoder: its pixels, its container, and what it is for."""
ESSENTIAL = ("libx264rgb", "libx264")
"""Encoders without which no result can be written."""
EXTRAS = {
    "pyiqa": "image quality: pip install charachbench[iqa]",
    "cotracker": "point tracking: see metrics/cotracker.py",
    "face-alignment": "another detector: pip install charachbench[face_alignment]",
    "hydra-joblib-launcher": "sweeps in processes: pip install charachbench[joblib]",
    "hydra-submitit-launcher": "sweeps on Slurm: pip install charachbench[slurm]",
    "hydra-ray-launcher": "sweeps on Ray: pip install charachbench[ray]",
}
_STYLES = {State.found: "green", State.unverified: "yellow", State.wrong: "red", State.missing: "dim"}


def execute(settings: Config) -> list[str]:
    """Print the report; returns what is broken and needed."""
    machine, broken = _machine()
    codecs = {name: encode_error(name) for name in CODECS}
    able = [(name, f"no ({codecs[name]})" if codecs[name] else "yes", use) for name, (*_, use) in CODECS.items()]
    found = {name: status(name, settings.weights.verify) for name in (*weights.REGISTRY, *weights.HUB)}
    rows = ({"name": name, **vars(here)} for name, here in found.items())
    output.show("doctor", rows, _weights(found), section="weights")
    _show("Machine", machine)
    _show("Codecs", able)
    _show("Disk", _disk({"results": Path(settings.results), "weights": weights.folders()[0]}))
    _show("Packages", [*_tracking(), *_extras()])
    if settings.weights.online:
        _show("Network", _network())
    return broken + [
        f"codec {name}: cannot encode ({codecs[name]}); reinstall PyAV" for name in ESSENTIAL if codecs[name]
    ]


def _show(title: str, rows: Sequence[tuple[str, ...]]) -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE, show_header=False, title_justify="left", title_style="bold")
    for _ in range(max(map(len, rows), default=1)):
        table.add_column(overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    output.show("doctor", rows, table, section=title.lower())


def _weights(found: dict[str, Status]) -> Table:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        title="Weights", box=box.SIMPLE, title_justify="left", title_style="bold", caption_justify="left",
        caption="get some by 'charachbench weights weights.names=\\[NAME,NAME]', or what settings need by "
        "'charachbench weights metrics=NAME method=NAME'; files also count in a folder that $CHARACBENCH_WEIGHTS names"
        "; not verified: large and not read without weights.verify=true, or of no known hash",
    )  # fmt: skip
    for column in ("name", "state", "size", "for, licence, where"):
        right, whole = column == "size", column in ("name", "state", "size")  # names are to be copied
        table.add_column(column, overflow="fold", justify="right" if right else "left", no_wrap=whole)
    for name, here in found.items():
        entry = weights.REGISTRY.get(name) or weights.HUB[name]
        by_hand = name in weights.REGISTRY and weights.REGISTRY[name].manual
        where = str(here.path) if here.path else "to get by hand" if by_hand else ""
        style = _STYLES[here.state]
        table.add_row(
            name,
            f"[{style}]{here.state.value}[/]",
            readable(here.size),
            escape("\n".join(filter(None, [entry.purpose, entry.licence, where]))),
        )
    return table


def readable(size: int | None) -> str:
    """A number of bytes, in the unit that suits it; a question mark for None."""
    if size is None:
        return "?"
    amount, unit = float(size), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if amount >= 100 or unit == "B" else f"{amount:.1f} {unit}"


def _machine() -> tuple[list[tuple[str, ...]], list[str]]:
    """What it is, and what is broken of it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    rows: list[tuple[str, ...]] = [
        ("Python", f"{platform.python_version()}, {platform.system()} {platform.machine()}"),
        ("cores", f"{cores} of {os.cpu_count()} usable by this process"),
    ]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        rows.append(("memory", readable(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))))
    try:
        import torch
    except (ImportError, OSError) as error:
        return [*rows, ("torch", f"cannot be imported ({error})")], [f"torch: cannot be imported ({error})"]
    rows.append(("torch", f"{torch.__version__}, {torch.get_num_threads()} threads"))
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        rows.append(
            (f"cuda:{index}", f"{torch.cuda.get_device_name(index)}, {readable(free)} of {readable(total)} free")
        )
    if torch.backends.mps.is_available():
        rows.append(("mps", "available"))
    if not torch.cuda.device_count() and not torch.backends.mps.is_available():
        rows.append(("GPU", "none that torch can use"))
    return rows, []


def encode_error(codec: str) -> str:
    """Why a video of two small frames cannot be written with a codec; empty if it can."""
    try:
        import av
        import numpy as np

        pixels, container, _ = CODECS[codec]
        with av.open(io.BytesIO(), "w", format=container) as output:
            stream: Any = output.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 64, pixels
            for value in (0, 255):
                frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), value, np.uint8), format="rgb24")
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
    except Exception as error:  # whatever it is, it is what is to be reported
        return (str(error).strip() or type(error).__name__).splitlines()[0]
    return ""


def _disk(folders: dict[str, Path]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name, folder in folders.items():
        there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        try:
            usage = shutil.disk_usage(there)
        except OSError as error:
            rows.append((name, f"cannot be read ({error.strerror})", str(folder)))
            continue
        writable = "" if os.access(there, os.W_OK) else ", not writable"
        rows.append((name, f"{readable(usage.free)} of {readable(usage.total)} free{writable}", str(folder)))
    return rows


def _tracking() -> list[tuple[str, ...]]:
    """Whether W&B could be used; the key itself is never shown."""
    version = _version("wandb")
    if version is None:
        return [("wandb", "not installed", "results on Weights & Biases: pip install wandb")]
    known = "logged in" if _has_key() else "not logged in; needed for tracking.mode=online only"
    return [("wandb", version, known)]


def _has_key() -> bool:
    """Whether there is a key of W&B where its documentation says that it is looked for."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL") or "https://api.wandb.ai").hostname or ""
    named = os.environ.get("NETRC")
    for path in [Path(named)] if named else [Path.home() / ".netrc", Path.home() / "_netrc"]:
        try:
            if netrc.netrc(path).authenticators(host):
                return True
        except (OSError, netrc.NetrcParseError):
            continue
    return False


def _extras() -> list[tuple[str, ...]]:
    return [(name, _version(name) or "not installed", use) for name, use in EXTRAS.items()]


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _network() -> list[tuple[str, ...]]:
    """Whether the hub answers."""
    import urllib.error
    import urllib.request

    from huggingface_hub import constants

    from charachbench.weights.download import TIMEOUT

    try:
        with urllib.request.urlopen(urllib.request.Request(constants.ENDPOINT, method="HEAD"), timeout=TIMEOUT):
            return [(constants.ENDPOINT, "answers")]
    except urllib.error.HTTPError as error:
        return [(constants.ENDPOINT, f"answers {error.code}")]
    except OSError as error:
        return [(constants.ENDPOINT, f"cannot be reached ({getattr(error, 'reason', error)})")]
