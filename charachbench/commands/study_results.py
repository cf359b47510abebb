"""`charachbench study_results`: read what the raters of a study answered, and compare it with the metrics."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from charachbench import output
from charachbench.benchmark.types import Benchmark
from charachbench.commands import open_benchmark
from charachbench.config import Config
from charachbench.errors import UserError
from charachbench.evaluate import build_metrics
from charachbench.leaderboard.collect import collect
from charachbench.store import Store, atomic_write
from charachbench.study import analysis, correlation, design, report, responses, scores
from charachbench.study.design import Study

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)


def execute(settings: Config) -> list[str]:
    """Read, write and print; returns which files are left out, and why."""
    chosen, store = settings.study, Store(Path(settings.results))
    benchmark = open_benchmark(settings, store)
    folder = design.folder_of(settings, benchmark, store)
    study = design.read(folder)
    if study is None:
        raise UserError(f"{folder}: holds no study; make one with `charachbench study`, or choose one by study.name")
    answered = Path(chosen.responses) if chosen.responses else folder / design.RESPONSES
    if not answered.is_dir():
        raise UserError(f"study.responses: no such folder: {answered}")
    raters, problems = responses.read(answered, study)
    for problem in problems:
        log.error("%s", problem)
    inattentive = [rater for rater in raters if not rater.is_attentive(chosen.checks_passed)]
    if not chosen.keep_inattentive:
        raters = [rater for rater in raters if rater not in inattentive]
    if not raters:
        raise UserError(
            f"{answered}: no answers that count ({len(problems)} files are left out, {len(inattentive)} raters failed "
            "their checks); put the raters' files there"
        )
    judgements = [judgement for rater in raters for judgement in rater.judgements]
    opinions, verdicts = analysis.opinions(judgements), analysis.judge(study, judgements)
    metrics = build_metrics(settings)
    correlations, absent = correlation.correlate(
        _as_shown(collect(store, benchmark, metrics), study, benchmark, store), metrics, opinions, verdicts
    )
    results = report.Results(
        name=chosen.name,
        benchmark=benchmark.name,
        study=study,
        raters=tuple(raters),
        inattentive=tuple(inattentive),
        left_out=len(problems),
        opinions=opinions,
        verdicts=tuple(verdicts),
        correlations=tuple(correlations),
        absent=absent,
    )
    show(results, folder)
    return problems


def show(results: report.Results, folder: Path) -> None:
    """Write the tables and what the leaderboard reads, and print the main tables."""
    rows = [
        {"question": verdict.question, "method": results.study.methods[standing.method], **vars(standing)}
        for verdict in results.verdicts
        for standing in verdict.standings
    ]
    output.show("study_results", rows, report.terminal(results), study=results.name, raters=len(results.raters))
    for name, text in (("results.md", report.markdown(results)), ("results.csv", report.comma_separated(results))):
        atomic_write(folder / name, lambda path, text=text: path.write_text(text, encoding="utf-8"))  # type: ignore[misc]
        output.wrote(folder / name)
    judgements = [judgement for rater in results.raters for judgement in rater.judgements]
    output.wrote(scores.write(folder, scores.of(results.name, results.study, judgements)))


def _as_shown(table: pd.DataFrame, study: Study, benchmark: Benchmark, store: Store) -> pd.DataFrame:
    """The rows of videos that raters saw, as far as they are in the store as they were then."""
    shown = {(video.run, study.cases[video.case].pair): video.sha256 for video in study.videos.values()}
    kept = {
        (run.info.key, pair)
        for run in store.runs(benchmark)
        for pair, (entry, record) in run.finished(benchmark).items()
        if shown.get((run.info.key, pair)) == record["outputs"].get(entry.video_path.name, "")
    }
    return table[[video in kept for video in zip(table["run"], table["pair"], strict=True)]]
