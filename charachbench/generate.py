"""Pairs -> method -> store."""

from __future__ import annotations

import contextlib
import functools
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

from charachbench import codecs, config, keys, room, shards
from charachbench.benchmark.types import Benchmark, Pair
from charachbench.errors import UserError
from charachbench.index import NOTHING
from charachbench.isolation import Isolated
from charachbench.overlap import Ahead, Behind
from charachbench.progress import Stage
from charachbench.protocols import Method
from charachbench.secrecy import without_secrets
from charachbench.store import SCHEMA, Entry, Run, RunInfo, Store, pair_inputs
from charachbench.worker import Made, Stored, Timer, Worker, read

GIVEN = ("truth", "landmarks")
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
    worker = Worker(settings, run, method)
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
        with Timer() as waiting:
            behind.wait()
        outcome.seconds += waiting.seconds

    def settle(pair: Pair, made: Made, held: contextlib.ExitStack, stored: Future[Stored]) -> None:
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
    for pair in seen.pairs:
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
    expected = [pair for pair in shards.order(seen.pairs, settings.shard) if pair.name in to_do] if to_do else []
    room.check(settings, benchmark, store, run, expected)
    run.create()  # not before: a method that cannot run is no row
    try:
        method.expect(expected)
        with (
            Stage("generate", info.method_name, info.key, len(reused) + len(expected), list(reused)) as stage,
            Ahead(read, expected) as ahead,
            Behind[Stored]() as behind,
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
