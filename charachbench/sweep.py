"""What a Hydra job does, and what comes after the last one of a sweep."""

from __future__ import annotations

import importlib
import json
import logging
import math
import time
import traceback
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

failures: list[str] = []
"""What failed in this process's job, or in all jobs of its sweep: decides the exit status of the command line."""


def run_job(composed: DictConfig) -> None:
    """Execute the command of one composed configuration.

    What fails is written down beside the job's log, where ``Sweep`` finds it whatever machine the job ran on;
    so an exception ends this job alone, not the sweep.
    """
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode
    from omegaconf import OmegaConf

    folder = Path(HydraConfig.get().runtime.output_dir)
    in_sweep = HydraConfig.get().mode == RunMode.MULTIRUN
    settings: config.Config | None = None
    about: dict[str, Any] = {}
    ran, start = True, time.perf_counter()
    if in_sweep:
        output.context["job"] = HydraConfig.get().job.num + 1
    try:
        output.use(composed.log)
        settings = config.resolve(composed)
        about = {"command": settings.command.name, "method": settings.method_name}
        log.info("started: %s", " ".join(filter(None, about.values())), extra=event("job_started", **about))
        failed = execute(settings)
        if settings.command is config.Command.run and not in_sweep:
            finish(settings)
    except Exception as error:
        if not isinstance(error, UserError):
            (folder / "traceback.txt").write_text(traceback.format_exc(), encoding="utf-8")
            if not in_sweep:
                raise
        failed, ran = [reason_for(error)], False
        if in_sweep:
            log.error("%s", failed[0], extra=event("job_failed", **about, reason=failed[0]))
    failures.extend(failed)
    if settings is not None:
        took = time.perf_counter() - start
        log.info("ended after %.2f s", took, extra=event("job_done", **about, ran=ran, failures=failed, seconds=took))
        plain = OmegaConf.to_container(OmegaConf.structured(settings), enum_to_str=True)
        job = {"ran": ran, "failed": failed, "settings": plain}
        (folder / JOB_FILE).write_text(json.dumps(job), encoding="utf-8")


def execute(settings: config.Config) -> list[str]:
    """Check the settings and run the command's module; returns what failed."""
    from charachbench.commands import check_settings

    check_settings(settings)
    module = importlib.import_module(f"charachbench.commands.{settings.command.name}")
    failed: list[str] = module.execute(settings)
    return failed


def finish(settings: config.Config) -> None:
    """Rebuild the leaderboard and its page once the videos are scored, and show it where results are tracked."""
    from charachbench.commands import destination, leaderboard, open_benchmark
    from charachbench.evaluate import build_metrics
    from charachbench.report import page
    from charachbench.store import Store

    metrics, store = build_metrics(settings), Store(Path(settings.results))
    benchmark = open_benchmark(settings, store)
    if (made := leaderboard.make(settings, benchmark, store, metrics)) is not None:
        leaderboard.show(made, store.benchmark_folder(benchmark))
        if settings.report:
            output.wrote(page.write(store, benchmark, made.metrics, made.scores, made.board))
    destination(settings).send_leaderboard(store, benchmark, metrics)


class Sweep(Callback):
    """Before a multirun's jobs, how many they are; after them, one leaderboard for each benchmark, and what failed."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Count the jobs."""
        output.use(config.log)
        output.context["jobs"] = _count(config)

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Gather what the jobs wrote down."""
        output.context.clear()
        try:
            _after_sweep(Path(config.hydra.sweep.dir))
        except Exception as error:  # Hydra would make a warning of it, and the exit status 0
            failures.append(reason_for(error))
            log.error("%s", failures[-1], exc_info=not isinstance(error, UserError))


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


def _after_sweep(folder: Path) -> None:
    from omegaconf import OmegaConf

    failures.clear()  # of the jobs that ran in this process: they are in the files too
    boards: dict[str, config.Config] = {}
    jobs = sorted(folder.glob(f"*/{JOB_FILE}"))
    for path in jobs:
        job = json.loads(path.read_text(encoding="utf-8"))
        failures.extend(job["failed"])
        settings = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(config.Config), job["settings"]))
        if job["ran"] and isinstance(settings, config.Config) and settings.command is config.Command.run:
            shown = (
                "track",
                "benchmark",
                "detector",
                "metrics",
                "leaderboard",
                "published",
                "tracking",
                "results",
                "report",
            )
            boards[keys.digest({name: job["settings"][name] for name in shown})] = settings
    started = [path for path in folder.iterdir() if path.is_dir() and path.name.isdigit()]
    if len(jobs) < len(started):
        failures.append(f"{len(started) - len(jobs)} of {len(started)} jobs did not end; see {folder}")
    for settings in boards.values():
        finish(settings)
