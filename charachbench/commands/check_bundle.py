"""`charachbench check_bundle`: check a bundle, or a folder of clips, against the configured benchmark."""

import logging
from pathlib import Path

from charachbench import noise
from charachbench.benchmark.types import Benchmark
from charachbench.commands import open_benchmark
from charachbench.config import Config
from charachbench.errors import UserError
from charachbench.evaluate import build_metrics
from charachbench.generate import describe_run
from charachbench.store import Store
from charachbench.submission import check, clips
from charachbench.submission.anonymous import one_line
from charachbench.submission.read import Refused, read
from charachbench.submission.rescore import rescore

log = logging.getLogger(__name__)


def execute(settings: Config) -> list[str]:
    """Print what is wrong and return it; say what was checked where nothing is."""
    chosen = settings.bundle
    if chosen.path is None:
        raise UserError("bundle.path: must be given, as in bundle.path=FILE")
    if chosen.rescore < 0 or not 0 <= chosen.tolerance < float("inf"):
        raise UserError(
            f"bundle.rescore={chosen.rescore}, bundle.tolerance={chosen.tolerance}: accepted are numbers from 0"
        )
    path, store = Path(chosen.path), Store(Path(settings.results))
    benchmark = open_benchmark(settings, store)
    if path.is_dir():
        problems, checked = check.wrong_files(path, benchmark), "names and lengths of its videos"
    else:
        problems, checked = _problems(settings, path, benchmark, store)
    problems = [one_line(problem) for problem in problems]
    for problem in problems:
        log.warning("%s", problem)
    log.info("%s: %s; checked: %s", path, f"{len(problems)} problems" if problems else "nothing is wrong", checked)
    return [f"{path.name}: {problem}" for problem in problems]


def _problems(settings: Config, path: Path, benchmark: Benchmark, store: Store) -> tuple[list[str], str]:
    """What is wrong, and what was checked."""
    try:
        bundle, problems = read(path, [pair.name for pair in benchmark.pairs])
    except Refused as refused:
        return refused.problems, "whether it can be read"
    metrics = build_metrics(settings)
    problems += check.contradictions(bundle, benchmark) + check.unlike_metrics(bundle, metrics)
    if settings.method is not None:
        problems += check.unlike_method(bundle, describe_run(settings, benchmark))
    count = len(bundle.manifest.clips)
    checked = f"{count} of {len(benchmark.pairs)} pairs of {benchmark.name}, {len(bundle.manifest.metrics)} metrics"
    found = clips.find(bundle, benchmark, store, settings.bundle.clips_from)
    if found is None:
        if settings.bundle.rescore:
            problems.append("its clips are neither in it nor in the store; bundle.clips_from=DIR says where they are")
        return problems, f"{checked}, no clips (they are not at hand)"
    problems += check.wrong_clips(found, benchmark)
    checked += f", clips in {found.where}"
    if settings.bundle.rescore:
        again = rescore(settings, found, benchmark, metrics, noise.read(store.benchmark_folder(benchmark)))
        problems += [problem for problem in again.problems if problem not in problems]
        checked += f", {again.clips} of them scored again"
        for name, reason in again.left_out.items():
            log.info("%s: not compared: %s", name, reason)
    return problems, checked
