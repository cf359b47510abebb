"""One pair -> method -> its folder in the store, and the record of how that went."""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from charachbench import config, memory, pictures, provenance
from charachbench.benchmark.types import Pair
from charachbench.errors import PairFailure, UserError, reason_for
from charachbench.index import Found
from charachbench.overlap import Ahead
from charachbench.protocols import Animation, Method
from charachbench.secrecy import hidden
from charachbench.store import SCHEMA, Entry, Run, StoreError, atomic_write, write_sealed

log = logging.getLogger(__name__)

MAX_DEATHS = 3
"""Of processes in a row, after which a pair fails instead of being tried once more."""


def survivable(deaths: int) -> None:
    """Refuse a pair on which so many processes died one after the other that it must be the reason.

    Raises:
        PairFailure: they did.
    """
    if deaths >= MAX_DEATHS:
        raise PairFailure(f"{deaths} processes in a row died while they worked on it", "died")


@dataclass
class Worker:
    """Animates single pairs and writes down how that went."""

    settings: config.Config
    run: Run
    method: Method
    device: str = ""
    loaded: bool = False
    load_error: tuple[Exception, TracebackType | None] | None = None
    load_seconds: float = 0.0
    warned: bool = False

    def __post_init__(self) -> None:
        self.sources = provenance.sources(self.run.info.method, "method")

    def is_finished(self, found: Found) -> bool:
        """Whether the pair is done; says once if other code than the present one did it."""
        record = found.record
        if record is None or not found.is_whole or (self.settings.store.restore and found.pruned):
            return False
        if record["sources"] != self.sources and not self.warned:
            self.warned = True
            log.warning(
                "%s: the code of this method has changed since its videos were made, which are kept; "
                "if that changes its output, raise `version` in its class",
                record["method"],
            )
        return True

    def make(self, pair: Pair, inputs: dict[str, str], ahead: Ahead[Pair, float], deaths: int) -> Made:
        """Animate a pair, unless too many processes died of it; what goes wrong is part of what is returned."""
        record: dict[str, Any] = {
            "schema": SCHEMA,
            "pair": pair.name,
            "character": pair.character.name,
            "domain": pair.character.domain,
            "driver": pair.driver.name,
            "method": self.run.info.method_name,
            "run": self.run.info.key,
            "config": {"method": self.run.info.method, "benchmark": self.run.info.benchmark},
            "given": self.run.info.given,
            "seed": self.run.info.seed,
            "random_weights": self.run.info.random,
            "inputs": inputs,
            "sources": self.sources,
            "code": provenance.code(),
            "packages": provenance.packages(),
        }
        if not self.device:
            with Timer() as loading:
                self.device = provenance.resolve_device(self.settings.device)  # imports torch
            self.load_seconds = loading.seconds
        animation, error, loaded = None, None, self.load_seconds
        with Timer() as working:
            try:
                survivable(deaths)
                animation, facts = self._animate(pair, ahead)
                record |= facts
            except StoreError:
                raise
            except Exception as raised:
                error = raised
        return Made(record, animation, error, working.seconds - (self.load_seconds - loaded))

    def store(self, pair: Pair, entry: Entry, made: Made, dropped: threading.Event) -> Stored:
        """Store and record what was made of a pair, unless it is dropped."""
        record, error = made.record, made.error
        with Timer() as storing:
            if made.animation is not None:
                try:
                    record |= {"status": "ok"} | _write(pair, made.animation, entry, record, dropped)
                except StoreError:
                    raise
                except Exception as raised:
                    error = raised
            reason = None
            if error is not None:
                reason = reason_for(error)
                kind = "out_of_memory" if memory.ran_out(error) else "error"
                kind, printed = (error.kind, error.log) if isinstance(error, PairFailure) else (kind, "")
                told = hidden("".join(traceback.format_exception(error)))
                record |= {"status": "failed", "kind": kind, "reason": reason, "traceback": told}
                entry.write_log(printed)
            record["finished"] = datetime.now(UTC).isoformat()
            write_sealed(entry.folder / "record.json", record)
        return reason, storing.seconds

    def _animate(self, pair: Pair, ahead: Ahead[Pair, float]) -> tuple[Animation, dict[str, Any]]:
        self._load()
        reading = ahead.get(pair)  # so that decoding is not counted as the method's time
        frames, size = len(pair.driver.video), pair.character.image.shape[:2]
        peak_memory = provenance.PeakMemory(self.device)
        with Timer() as generating:
            animation, again = memory.with_less(
                lambda: self.method.animate(pair, self.run.info.seed), self.method.take_less
            )
        peak = peak_memory.read() if animation.peak_memory is None else animation.peak_memory
        seconds = generating.seconds if animation.seconds is None else animation.seconds
        _check(animation, frames, size)
        return animation, {
            "device": self.device,
            "device_name": provenance.device_name(self.device),
            "frames": frames,
            "size": list(size),
            "fps": pair.driver.video.fps if animation.video is None else animation.video.fps,
            "seconds": {"load": self.load_seconds, "read": reading, "generate": seconds},
            "frames_per_second": frames / max(seconds, 1e-9),
            "peak_memory_mib": peak,  # of RAM also what the last pair's storing and the next one's reading take
            "out_of_memory": again,
            "codec": self.settings.store.codec,
            "notes": animation.notes,
            "degraded": animation.degraded,
        }

    def _load(self) -> None:
        """Load the method at the first pair; where that fails every pair fails, without waiting for it again."""
        if self.load_error is not None:
            error, at_first = self.load_error
            raise error.with_traceback(at_first)  # which would else grow with every pair
        if not self.loaded:
            gc.collect()  # an earlier job of a sweep may have left its networks in cycles of references
            try:
                with Timer() as loading:
                    self.method.load(self.device)
            except Exception as error:
                self.load_error = error, error.__traceback__
                raise
            self.load_seconds, self.loaded = self.load_seconds + loading.seconds, True


@dataclass(frozen=True)
class Made:
    """A pair before it is stored.

    Attributes:
        record: what is known of it so far.
        animation: None where ``error`` is not.
        seconds: that it took, but for loading the method.
    """

    record: dict[str, Any]
    animation: Animation | None
    error: Exception | None
    seconds: float


Stored = tuple[str | None, float]
"""Why a pair failed, None if it did not; seconds that storing took."""


def read(pair: Pair) -> float:
    """Seconds that it took to decode a pair, which those who gave it remember."""
    with Timer() as reading:
        _ = pair.driver.video, pair.character.image
    return reading.seconds


def _write(
    pair: Pair, animation: Animation, entry: Entry, record: dict[str, Any], dropped: threading.Event
) -> dict[str, Any]:
    """Store an animation; what that adds to the record."""
    with Timer() as encoding:
        entry.remove_leftovers()
        with ThreadPoolExecutor(1) as beside:
            drawing = beside.submit(_write_pictures, pair, animation, entry)
            outputs = entry.write_animation(animation, record["codec"], dropped)
            drawing.result()
        entry.write_log(animation.log)
    return {"seconds": {**record["seconds"], "encode": encoding.seconds}, "outputs": outputs}


def _write_pictures(pair: Pair, animation: Animation, entry: Entry) -> None:
    """Show what the method took for the character's landmarks and, of a sequence, how they moved."""
    points = animation.landmarks
    if points is None:
        return
    overlay = pictures.overlay(pair.character.image, points[0], animation.notes.get("captions", {}))
    atomic_write(entry.overlay_path, lambda aside: pictures.save(aside, overlay))
    if len(points) > 1:
        driver = None
        with contextlib.suppress(UserError):  # a driver without a face fails what needs it, not a picture
            driver = pair.driver.landmarks
        made = None if animation.video is None else animation.video.frames
        strip = pictures.strip(pair.driver.video.frames, pair.character.image, points, made, driver_landmarks=driver)
        atomic_write(entry.strip_path, lambda aside: pictures.save(aside, strip))


def _check(animation: Animation, frames: int, size: tuple[int, int]) -> None:
    if not isinstance(animation, Animation):
        raise TypeError(f"a method returns an Animation, got {type(animation).__name__}")
    made = animation.video
    if made is None and animation.landmarks is None:
        raise ValueError("the method made neither a video nor landmarks")
    if made is not None and (len(made) != frames or made.size != tuple(size)):
        raise ValueError(
            f"the method made {len(made)} frames of {made.size[1]} x {made.size[0]}, "
            f"wanted {frames} (as the driver) of {size[1]} x {size[0]} (as the character)"
        )
    try:
        json.dumps(animation.notes, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the method's notes cannot be written as JSON ({error})") from error
    if animation.landmarks is not None and animation.landmarks.shape != (frames, 68, 2):
        raise ValueError(f"the method's landmarks have shape {animation.landmarks.shape}, wanted ({frames}, 68, 2)")


class Timer:
    """Wall time of a block."""

    seconds = 0.0

    def __enter__(self) -> Timer:
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._start
