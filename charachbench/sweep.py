"""What a Hydra job does, what comes before the first one of a sweep, and what after the last."""

from __future__ import annotations

import contextlib
import importlib
import logging
import math
import shutil
import time
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.errors import HydraException
from hydra.experimental.callback import Callback

from charachbench import config, keys, output
from charachbench.errors import UserError, reason_for
from charachbench.output import event

if TYPE_CHECKING:
    from omegaconf import DictConfig

log = logging.getLogger(__name__)

JOB_FILE = "job.json"
OPTIMUM = "optimization_results.yaml"
"""What Optuna found, in the sweep's folder."""

failures: list[str] = []
"""What failed in this process's job, or in all jobs of its sweep: decides the exit status of the command line."""
underway: list[tuple[Path, int | None]] = []
"""The folder of the sweep that this process has begun and not ended, and how many jobs it has, where that is known."""


def run_job(composed: DictConfig) -> float | list[float] | None:
    """Execute the command of one composed configuration.

    What fails is written down beside the job's log, where ``Sweep`` finds it whatever machine the job ran on;
    so an exception ends this job alone, not the sweep.

    Returns:
        What a sweeper optimises, see ``charachbench.objective``; None without an ``objective``.

    Raises:
        UserError: there is an ``objective``, but no figure: the sweeper decides whether the sweep goes on.
    """
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from charachbench.store import leased

    in_sweep = HydraConfig.get().mode == RunMode.MULTIRUN
    folder = Path(HydraConfig.get().runtime.output_dir)
    # who waits for the jobs of a sweep learns by the lease of one that died, wherever it ran
    with leased(folder, wait=True) if in_sweep else contextlib.nullcontext():
        return _run_job(composed, folder, in_sweep)


def _run_job(composed: DictConfig, folder: Path, in_sweep: bool) -> float | list[float] | None:
    from hydra.core.hydra_config import HydraConfig

    settings: config.Config | None = None
    about: dict[str, Any] = {}
    failed: list[str] = []
    ran, figure, start = False, None, time.perf_counter()
    if in_sweep:
        output.context["job"] = HydraConfig.get().job.num + 1
    try:
        output.use(composed.log)
        settings = config.resolve(composed)
        if in_sweep:
            settings = _of_several(settings, HydraConfig.get())
            _write_down(folder, settings, ended=False, ran=False, failed=[])
        about = {"command": settings.command.name, "method": settings.method_name}
        log.info("started: %s", " ".join(filter(None, about.values())), extra=event("job_started", **about))
        failed = execute(settings)
        ran = True
        if settings.command is config.Command.run:
            try:
                if not in_sweep:
                    finish([settings])
                elif settings.shard.count == 1:  # else others work on the run too: it is shown when all have ended
                    track([settings], Path(HydraConfig.get().sweep.dir))
            except UserError as error:  # what is in the store counts nevertheless
                failed.append(str(error))
                if in_sweep:
                    log.error("%s", error)
            figure = optimised(settings)
    except Exception as error:
        if not isinstance(error, UserError):
            (folder / "traceback.txt").write_text(traceback.format_exc(), encoding="utf-8")
            if not in_sweep:
                raise
        failed = [*failed, reason_for(error)]
        if in_sweep:
            log.error("%s", failed[-1], extra=event("job_failed", **about, reason=failed[-1]))
    failures.extend(failed)
    if settings is not None:
        took = time.perf_counter() - start
        log.info("ended after %.2f s", took, extra=event("job_done", **about, ran=ran, failures=failed, seconds=took))
        _write_down(folder, settings, ended=True, ran=ran, failed=failed, objective=figure)
    if in_sweep and composed.objective and figure is None:
        raise UserError(failed[-1] if failed else "objective: only the command `run` has one")
    return figure


def _of_several(settings: config.Config, hydra: Any) -> config.Config:
    """The job's own GPU of several, where other jobs run at the same time."""
    if settings.device != "auto" or hydra.launcher._target_.endswith(".BasicLauncher"):
        return settings
    return replace(settings, device=f"auto:{hydra.job.num}")


def _write_down(folder: Path, settings: config.Config, **about: Any) -> None:
    from omegaconf import OmegaConf

    from charachbench.store import write_json

    plain = OmegaConf.to_container(OmegaConf.structured(settings), enum_to_str=True)
    write_json(folder / JOB_FILE, {**about, "settings": plain})


def execute(settings: config.Config) -> list[str]:
    """Check the settings and run the command's module; returns what failed."""
    from charachbench.commands import check_settings

    check_settings(settings)
    module = importlib.import_module(f"charachbench.commands.{settings.command.name}")
    failed: list[str] = module.execute(settings)
    return failed


def finish(jobs: Sequence[config.Config], sweep: Path | None = None) -> None:
    """Rebuild the leaderboard and its page, and show them and the jobs' runs where results are tracked.

    Args:
        jobs: with one leaderboard.
        sweep: the folder of the sweep that they are of, if they are.
    """
    from charachbench.commands import destination, leaderboard, open_benchmark
    from charachbench.evaluate import build_metrics
    from charachbench.report import page
    from charachbench.store import Store, leased

    settings = jobs[-1]
    metrics, store = build_metrics(settings), Store(Path(settings.results))
    benchmark = open_benchmark(settings, store)
    folder = store.benchmark_folder(benchmark)
    with leased(folder, wait=True):  # tables and page of one state, where several processes end at the same time
        made = leaderboard.make(settings, benchmark, store, metrics)
        if made is not None:
            leaderboard.show(made, folder)
            if settings.report:
                output.wrote(page.write(store, benchmark, made.metrics, made.scores, made.board))
        # again, since runs are called by how they differ from those that came after them
        track(jobs, sweep)
        if made is not None:
            destination(settings).send_leaderboard(store, benchmark, made.metrics, made.board, made.scores)


def track(jobs: Sequence[config.Config], sweep: Path | None) -> None:
    """Show the jobs' runs where results are tracked; arguments as of ``finish``."""
    from charachbench.commands import destination, open_benchmark
    from charachbench.evaluate import build_metrics
    from charachbench.generate import describe_run
    from charachbench.store import Store
    from charachbench.tracking import NoTracking

    settings = jobs[-1]
    tracking = destination(settings)
    if isinstance(tracking, NoTracking):
        return
    metrics, store = build_metrics(settings), Store(Path(settings.results))
    benchmark = open_benchmark(settings, store)
    wanted = {describe_run(job, benchmark).key for job in jobs}
    for run in store.runs(benchmark):
        if run.info.key in wanted:
            tracking.send_run(store, benchmark, run, metrics, "_".join(sweep.parts[-2:]) if sweep else "")


def optimised(settings: config.Config) -> float | list[float] | None:
    """The figures of the job's run that ``objective`` names."""
    from charachbench import objective
    from charachbench.commands import open_benchmark
    from charachbench.evaluate import build_metrics
    from charachbench.generate import describe_run
    from charachbench.store import Store

    if not settings.objective:
        return None
    metrics, store = build_metrics(settings), Store(Path(settings.results))
    benchmark = open_benchmark(settings, store)
    run = store.find_run(benchmark, describe_run(settings, benchmark))
    return objective.value(settings.objective, store, benchmark, run, metrics)


class Sweep(Callback):
    """Before a multirun's jobs: how many they are, and whether they can be optimised. After them: what came of them."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Count the jobs; refuse a sweep whose sweeper and objective contradict each other."""
        from charachbench import objective

        output.use(config.log)
        jobs = output.context["jobs"] = _count(config)
        try:
            objective.check_sweeper(config)
            _check_launcher(config.hydra.launcher._target_)
        except UserError as error:  # Hydra would make a warning of it
            raise SystemExit(output.fail(str(error), 1)) from error
        underway[:] = [(Path(config.hydra.sweep.dir), jobs)]

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:  # noqa: ARG002
        """Gather what the jobs wrote down."""
        end()


def end() -> None:
    """End the sweep that is under way, if one is: wait for its jobs, gather what they wrote down, show the results.

    For Hydra's callback, and for a launcher that gave up since a job died: what is in the store counts.
    """
    output.context.clear()
    while underway:
        try:
            _after_sweep(*underway.pop())
        except Exception as error:  # Hydra would make a warning of it, and the exit status 0
            failures.append(reason_for(error))
            log.error("%s", failures[-1], exc_info=not isinstance(error, UserError))


def _check_launcher(target: str) -> None:
    if target.endswith(".SlurmLauncher") and not (shutil.which("sbatch") and shutil.which("srun")):
        raise UserError("hydra/launcher: there is no SLURM here (sbatch and srun are not on the path)")


def _count(composed: DictConfig) -> int | None:
    """How many jobs the sweep will have; None where its sweeper decides that on its way."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    sweeper = composed.hydra.sweeper
    if not sweeper._target_.endswith(".BasicSweeper"):
        return None
    given = [*(f"{key}={value}" for key, value in (sweeper.params or {}).items()), *composed.hydra.overrides.task]
    values = {}  # of one that is given twice the last counts
    try:
        for override in OverridesParser.create().parse_overrides(given):
            many = list(override.sweep_string_iterator()) if override.is_sweep_override() else [None]
            values[override.get_key_element()] = len(many)
    except HydraException:  # a pattern of names, say
        return None
    return math.prod(values.values())


def _after_sweep(folder: Path, count: int | None) -> None:
    from omegaconf import OmegaConf

    failures.clear()  # of the jobs that ran in this process: they are in the files too
    boards: dict[str, list[config.Config]] = {}
    told: dict[tuple[str, str], None] = {}  # once, though several jobs may have met it in their shards of a run
    started = sorted((path for path in folder.glob("*") if path.name.isdigit()), key=lambda path: int(path.name))
    jobs = {path.name: _ended(path) for path in started}
    for job in filter(None, jobs.values()):
        run = keys.digest({**job["settings"], "shard": None, "device": None})
        told |= dict.fromkeys((run, reason) for reason in job["failed"])
        settings = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(config.Config), job["settings"]))
        counts = job["ran"] or not job["ended"]
        if counts and isinstance(settings, config.Config) and settings.command is config.Command.run:
            shown = ("track", "benchmark", "detector", "metrics", "leaderboard", "published", "tracking", "results",
                     "report")  # fmt: skip
            boards.setdefault(keys.digest({name: job["settings"][name] for name in shown}), []).append(settings)
    failures.extend(reason for _, reason in told)
    died = [name for name, job in jobs.items() if job is None or not job["ended"]]
    total = max(count or 0, len(jobs))
    if lacking := total - len(jobs) + len(died):
        which = f" ({', '.join(died)})" if died else ""
        failures.append(f"{lacking} of {total} jobs did not end{which}; see {folder}; run the same command to go on")
    for same in boards.values():
        finish(same, folder)
    if (found := folder / OPTIMUM).is_file():
        from rich.text import Text

        output.wrote(found)
        output.show("optimum", [OmegaConf.to_container(OmegaConf.load(found))], Text(found.read_text("utf-8"), end=""))


def _ended(folder: Path) -> dict[str, Any] | None:
    """What a job wrote down, once it has ended or died; None where that is nothing."""
    from charachbench.store import leased, read_json

    job = read_json(folder / JOB_FILE)
    if job is None or not job["ended"]:
        with leased(folder, wait=True):
            job = read_json(folder / JOB_FILE)
    return job if isinstance(job, dict) else None
