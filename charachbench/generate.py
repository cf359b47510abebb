"""Pairs -> method -> store."""

from __future__ import annotations

import contextlib
import functools
import gc
import json
import logging
import threading
import time
import traceback
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from charachbench import codecs, config, keys, memory, pictures, provenance, room, shards
from charachbench.benchmark.types import Benchmark, Pair
from charachbench.errors import PairFailure, UserError, reason_for
from charachbench.index import NOTHING, Found
from charachbench.isolation import Isolated
from charachbench.overlap import Ahead, Behind
from charachbench.progress import Stage
from charachbench.protocols import Animation, Method
from charachbench.secrecy import hidden, without_secrets
from charachbench.store import SCHEMA, Entry, Run, RunInfo, Store, StoreError, atomic_write, pair_inputs, write_sealed

log = logging.getLogger(__name__)

GIVEN = ("truth", "landmarks")
MAX_DEATHS = 3
"""Of processes in a row, after which a pair fails instead of being tried once more."""
FOR_THE_HARNESS = ("about", "control", "given")
"""Entries of a method's configuration that are not arguments of its class."""


@dataclass
class Outcome:
    """What became of the pairs of one run.

    Attributes:
        failed: by name, why.
        seconds: of wall time that all that were made took, but for loading the method.
    """

    run: Run
    made: list[str] = field(default_factory=list)
    reused: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def build_method(settings: config.Config) -> Method:
    """The configured method, nothing loaded yet.

    Raises:
        UserError: none was chosen, or it is wrongly configured.
    """
    if settings.method is None or settings.method_name is None:
        raise UserError("method: none was chosen; accepted: method=still, method=warp, ... (see `charachbench --help`)")
    if unknown := set(settings.method.get("given", [])) - set(GIVEN):
        raise UserError(f"method.given: '{unknown.pop()}' is not known; accepted: {', '.join(GIVEN)}")
    return config.build(_arguments(settings.method), "method", Method)


def _arguments(method: dict[str, Any]) -> dict[str, Any]:
    """The method's own part of its configuration."""
    return {name: value for name, value in method.items() if name not in FOR_THE_HARNESS}


def describe_run(settings: config.Config, benchmark: Benchmark) -> RunInfo:
    """The run that a configuration with a method asks for."""
    method, given = _arguments(settings.method), sorted(settings.method.get("given", []))
    versions = config.versions(method, "method")
    identity = {"method": config.deciding(method, "method"), "given": given, "versions": versions}
    codec = codecs.deciding(settings.store.codec) if settings.track is config.Track.animation else codecs.LOSSLESS
    identity |= {} if codec == codecs.LOSSLESS else {"codec": codec}  # keys of before there were others stay
    key = keys.digest({"schema": SCHEMA, **identity, "seed": settings.seed})
    return RunInfo(
        key=key,
        method_name=str(settings.method_name),
        method=without_secrets(method),
        given=given,
        control=bool(settings.method.get("control", False)),
        versions=versions,
        seed=settings.seed,
        benchmark={"name": benchmark.name, "options": benchmark.options},
        random=build_method(settings).random,
        codec=codec,
    )


def as_seen(pair: Pair, given: list[str]) -> Pair:
    """The pair without truth and annotation, which are for scoring, but for what ``given`` lists."""
    character = pair.character if "landmarks" in given else pair.character.unannotated
    return replace(pair, character=character, truth=pair.truth if "truth" in given else None)


def generate(settings: config.Config, benchmark: Benchmark, store: Store) -> Outcome:
    """Animate every pair of the benchmark that is not in the store, and record those that fail.

    Raises:
        UserError: the configuration or the store is at fault, or a pair failed and ``on_error`` is ``raise``.
    """
    method, info = build_method(settings), describe_run(settings, benchmark)
    if settings.isolate or settings.time_limit is not None:
        method = Isolated(method, settings)
    seen = replace(benchmark, pairs=tuple(as_seen(pair, info.given) for pair in benchmark.pairs))
    method.prepare(seen, store.cache)
    run = store.find_run(benchmark, info)
    worker = _Worker(settings, run, method)
    outcome = Outcome(run)
    reused: dict[str, Entry] = {}

    def attempt(pair: Pair, *, wait: bool) -> bool:
        """Make the pair and begin to store it; false where another process works on it."""
        entry, inputs = to_do[pair.name]
        stage.current, said = pair.name, f"{info.method_name}: pair {pair.name}"
        with contextlib.ExitStack() as held:
            lease = held.enter_context(entry.leased(wait=wait))
            if lease is None:
                return False
            found = entry.look()
            record = found.record
            if worker.is_finished(found):
                reused[pair.name] = entry
                stage.tell("pair_reused", pair.name, f"{said} was made by another process")
                return True
            if record is not None and record["status"] == "failed" and record["finished"] != failed_before[pair.name]:
                outcome.failed[pair.name] = record["reason"]
                stage.tell("pair_failed", pair.name, f"{said} failed in another process: {record['reason']}")
                return True
            made = worker.make(pair, inputs, ahead, lease.deaths)
            wait_for_store()
            settled = functools.partial(settle, pair, made, held.pop_all())
            behind.begin(functools.partial(worker.store, pair, entry, made, behind.dropped), settled)
        if made.error is None:
            outcome.seconds += made.seconds
        else:
            wait_for_store()  # it may end the run
        return True

    def wait_for_store() -> None:
        with _Timer() as waiting:
            behind.wait()
        outcome.seconds += waiting.seconds

    def settle(pair: Pair, made: _Made, held: contextlib.ExitStack, stored: Future[_Stored]) -> None:
        """Give back the pair's lease and say what became of it."""
        with held:
            reason, seconds = stored.result()
        took, said = made.seconds + seconds, f"{info.method_name}: pair {pair.name}"
        if reason is None:
            outcome.made.append(pair.name)
            stage.tell("pair_made", pair.name, f"{said} was made in {took:.2f} s", seconds=took)
            return
        outcome.failed[pair.name] = reason
        stage.tell("pair_failed", pair.name, f"{said} failed: {reason}", reason=reason, seconds=took)
        if settings.on_error == "raise":
            raise UserError(f"pair {pair.name} failed: {reason}")

    to_do: dict[str, tuple[Entry, dict[str, str]]] = {}
    failed_before: dict[str, str | None] = {}
    pairs = shards.order(seen.pairs, settings.shard)
    for pair in pairs:
        # the fingerprint fails where weights are missing
        inputs = {**pair_inputs(pair, info.given), "method": method.fingerprint(pair)}
        entry = run.entry(pair, inputs)
        found = run.found.get(entry.folder.name, NOTHING)
        if worker.is_finished(found):
            reused[pair.name] = entry
        else:
            to_do[pair.name] = entry, inputs
            failed_before[pair.name] = None if found.record is None else found.record["finished"]
    if to_do and (lacking := method.lacks()):
        raise UserError(f"{info.method_name}: {lacking}")
    room.check(settings, benchmark, store, run, [pair for pair in pairs if pair.name in to_do])
    run.create()  # not before: a method that cannot run is no row
    try:
        expected = [pair for pair in pairs if pair.name in to_do]
        method.expect(expected)
        with (
            Stage("generate", info.method_name, info.key, len(pairs), list(reused)) as stage,
            Ahead(_read, expected) as ahead,
            Behind[_Stored]() as behind,
        ):
            elsewhere = [pair for pair in expected if not attempt(pair, wait=False)]
            for pair in elsewhere:  # done by then, or left over by a process that died
                wait_for_store()  # who waits for others holds nothing that they may wait for
                attempt(pair, wait=True)
            wait_for_store()
    finally:
        method.close()
    if to_do:
        run.forget()
    run.use_again(benchmark, {**reused, **{name: to_do[name][0] for name in outcome.made}})
    outcome.reused.extend(reused)
    return outcome


def survivable(deaths: int) -> None:
    """Refuse a pair on which so many processes died one after the other that it must be the reason.

    Raises:
        PairFailure: they did.
    """
    if deaths >= MAX_DEATHS:
        raise PairFailure(f"{deaths} processes in a row died while they worked on it", "died")


@dataclass
class _Worker:
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

    def make(self, pair: Pair, inputs: dict[str, str], ahead: Ahead[Pair, float], deaths: int) -> _Made:
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
            with _Timer() as loading:
                self.device = provenance.resolve_device(self.settings.device)  # imports torch
            self.load_seconds = loading.seconds
        animation, error, loaded = None, None, self.load_seconds
        with _Timer() as working:
            try:
                survivable(deaths)
                animation, facts = self._animate(pair, ahead)
                record |= facts
            except StoreError:
                raise
            except Exception as raised:
                error = raised
        return _Made(record, animation, error, working.seconds - (self.load_seconds - loaded))

    def store(self, pair: Pair, entry: Entry, made: _Made, dropped: threading.Event) -> _Stored:
        """Store and record what was made of a pair, unless it is dropped."""
        record, error = made.record, made.error
        with _Timer() as storing:
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
        with _Timer() as generating:
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
                with _Timer() as loading:
                    self.method.load(self.device)
            except Exception as error:
                self.load_error = error, error.__traceback__
                raise
            self.load_seconds, self.loaded = self.load_seconds + loading.seconds, True


@dataclass(frozen=True)
class _Made:
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


_Stored = tuple[str | None, float]
"""Why a pair failed, None if it did not; seconds that storing took."""


def _read(pair: Pair) -> float:
    """Seconds that it took to decode a pair, which those who gave it remember."""
    with _Timer() as reading:
        _ = pair.driver.video, pair.character.image
    return reading.seconds


def _write(
    pair: Pair, animation: Animation, entry: Entry, record: dict[str, Any], dropped: threading.Event
) -> dict[str, Any]:
    """Store an animation; what that adds to the record."""
    with _Timer() as encoding:
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


class _Timer:
    """Wall time of a block."""

    seconds = 0.0

    def __enter__(self) -> _Timer:
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._start
