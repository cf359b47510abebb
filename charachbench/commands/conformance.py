"""`charachbench conformance`: check a method against the contract."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from charachbench import commands, conformance, output, provenance, tracks
from charachbench.benchmark.toy.benchmark import Toy
from charachbench.config import Config
from charachbench.conformance import Finding, State
from charachbench.errors import UserError
from charachbench.generate import build_method
from charachbench.store import Store

if TYPE_CHECKING:
    from rich.table import Table

LEAST = {"size": 64, "frames": 3, "time_limit": 1}
_STYLES = {State.ok: "green", State.fails: "bold red", State.skipped: "yellow"}


def execute(settings: Config) -> list[str]:
    """Try the method and print the table; returns the checks that failed, or why they could not be done."""
    chosen = settings.conformance
    for one in fields(chosen):
        if (value := getattr(chosen, one.name)) < LEAST[one.name]:
            raise UserError(f"conformance.{one.name}={value}: accepted are numbers from {LEAST[one.name]}")
    build_method(settings)
    store = Store(Path(settings.results))
    source = commands.source(settings)
    if isinstance(source, Toy):  # drawn as small as it is needed
        source = Toy(characters=2, drivers=2, frames=chosen.frames, size=chosen.size)
    benchmark = tracks.open_for(settings.track, source, commands.detector(settings), store.cache)
    findings = conformance.check(
        lambda: build_method(settings),
        conformance.cases(benchmark, chosen.size, chosen.frames),
        settings.method.get("given", []),
        device=provenance.resolve_device(settings.device),
        seed=settings.seed,
        time_limit=chosen.time_limit,
    )
    output.show("conformance", findings, table(str(settings.method_name), findings), method=settings.method_name)
    failed = [
        f"{settings.method_name}, {finding.check}: {finding.detail}"
        for finding in findings
        if finding.state is State.fails
    ]
    essential = {one.name for one in conformance.CHECKS if one.essential}
    unchecked = [one for one in findings if one.state is State.skipped and one.check in essential]
    if unchecked and not failed:  # or a script would take it for well
        return [f"{settings.method_name}: was not checked, since {unchecked[0].detail}"]
    return failed


def table(method: str, findings: list[Finding]) -> Table:
    """What became of each check."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    counts = Counter(finding.state for finding in findings)
    summary = ", ".join(f"{counts[state]} {state.value}" for state in State if counts[state])
    shown = Table(title=f"{escape(method)}: {summary}", box=box.SIMPLE, title_justify="left", title_style="bold")
    for heading in ("check", "state", ""):
        shown.add_column(heading, overflow="fold", no_wrap=bool(heading))
    sentences = {check.name: f"[dim]{escape(check.sentence)}[/]" for check in conformance.CHECKS}
    for (state, detail), alike in groupby(findings, lambda finding: (finding.state, finding.detail)):
        names = [finding.check for finding in alike]
        if state is State.skipped and len(names) > 3:  # all that needs what failed
            names = [f"{len(names)} others"]
        for name in names:
            shown.add_row(name, f"[{_STYLES[state]}]{state.value}[/]", escape(detail) or sentences[name])
    return shown
