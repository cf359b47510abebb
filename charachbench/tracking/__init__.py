"""Weights & Biases as a view of the store: logging is a replay, so it can happen at once, later, again, or never."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from charachbench import keys
from charachbench.benchmark.types import Benchmark
from charachbench.errors import UserError
from charachbench.evaluate import NamedMetric
from charachbench.leaderboard.aggregate import aggregate
from charachbench.leaderboard.board import Leaderboard
from charachbench.leaderboard.collect import collect
from charachbench.leaderboard.sets import SetNumbers
from charachbench.store import Run, Store, read_json, write_json
from charachbench.tracking import content
from charachbench.tracking.content import Content

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

AGENT = "WANDB_SWEEP_ID"
"""In the environment where an agent of W&B's own sweeps started this process."""
EXTREMES = {"up": "max", "down": "min"}
LATER = "all results are in the store, send them later with `charachbench track tracking=wandb`"
LOSSES = ("filestream:", "file transfer:", "runupserter:", "sender:")
"""How errors begin in the log of W&B's process where something did not reach the server; it tells nobody else."""


class Tracking(ABC):
    """Where results are shown beside the store."""

    @abstractmethod
    def send_run(
        self, store: Store, benchmark: Benchmark, run: Run, metrics: Sequence[NamedMetric], sweep: str = ""
    ) -> None:
        """Show one run.

        Args:
            store: where it is.
            benchmark: whose pairs.
            run: what is shown.
            metrics: what it is scored with.
            sweep: the name of the one that it is part of, if it is.
        """

    @abstractmethod
    def send_leaderboard(
        self,
        store: Store,
        benchmark: Benchmark,
        metrics: Sequence[NamedMetric],
        board: Leaderboard,
        scores: pd.DataFrame,
    ) -> None:
        """Show the leaderboard.

        Args:
            store: where its runs are.
            benchmark: whose leaderboard.
            metrics: its columns.
            board: what is shown.
            scores: that it was made of.
        """


class NoTracking(Tracking):
    """Nowhere."""

    def send_run(
        self, store: Store, benchmark: Benchmark, run: Run, metrics: Sequence[NamedMetric], sweep: str = ""
    ) -> None:
        """Nothing."""

    def send_leaderboard(
        self,
        store: Store,
        benchmark: Benchmark,
        metrics: Sequence[NamedMetric],
        board: Leaderboard,
        scores: pd.DataFrame,
    ) -> None:
        """Nothing."""


class Wandb(Tracking):
    """One W&B run per run of the store, under an id that follows from its key, and one for the leaderboard.

    A replay is whole or counts as not sent: what was sent where is written into the store at its end. All that is
    plotted goes into a single step of the history, without W&B's ``resume``, so that a later replay under the same id
    overwrites all of an earlier one, online and by ``wandb sync`` alike.

    Started by an agent of W&B's own sweeps, the run goes into the W&B run that the agent has made, and there is no
    leaderboard: one process has one W&B run then.

    Args:
        mode: ``offline`` keeps it under ``<results>/wandb`` for ``wandb sync``; ``disabled`` does all but send.
        project, entity: where to; the entity defaults to the user's own.
        group: what the runs are grouped under; if null, the sweep that first sent them, else the benchmark's folder.
        previews: of how many pairs, evenly spread, to send videos and pictures.
        resend: send again what was sent before.
    """

    def __init__(
        self,
        mode: Literal["offline", "online", "disabled"] = "offline",
        project: str = "charachbench",
        entity: str | None = None,
        group: str | None = None,
        previews: int = 4,
        resend: bool = False,
    ) -> None:
        if previews < 0:
            raise UserError(f"tracking.previews: must not be negative, got {previews}")
        self.mode, self.project, self.entity = mode, project, entity
        self.group, self.previews, self.resend = group, previews, resend

    def send_run(
        self, store: Store, benchmark: Benchmark, run: Run, metrics: Sequence[NamedMetric], sweep: str = ""
    ) -> None:
        """See ``Tracking``; figures are over the run's own pairs."""
        scores = collect(store, benchmark, metrics, only=run.info.key)
        board = aggregate(scores, metrics, slices=False, sets=SetNumbers(store.cache / "sets"))
        folder = store.benchmark_folder(benchmark)
        with tempfile.TemporaryDirectory() as scratch:
            shown = content.of_run(
                store, benchmark, run, metrics, scores, board, previews=self.previews, scratch=Path(scratch)
            )
            self._send(store, run.folder, f"{folder.name[-8:]}-{run.info.key[:16]}", shown, sweep or folder.name)

    def send_leaderboard(
        self,
        store: Store,
        benchmark: Benchmark,
        metrics: Sequence[NamedMetric],
        board: Leaderboard,
        scores: pd.DataFrame,
    ) -> None:
        """See ``Tracking``; under one id per benchmark."""
        if AGENT in os.environ:
            return
        folder = store.benchmark_folder(benchmark)
        with tempfile.TemporaryDirectory() as scratch:
            shown = content.of_leaderboard(store, benchmark, metrics, scores, board, scratch=Path(scratch))
            self._send(store, folder, f"{folder.name[-8:]}-leaderboard", shown, folder.name)

    def _send(self, store: Store, folder: Path, run_id: str, shown: Content, group: str) -> None:
        """Send what is shown, unless the destination has it.

        Args:
            store: where offline runs are kept.
            folder: where it is written down what was sent.
            run_id: of W&B.
            shown: what to send.
            group: where neither the settings nor an earlier replay tell one.
        """
        import filelock

        path, destination = folder / "tracked.json", f"{self.entity or ''}/{self.project}"
        if AGENT in os.environ:
            run_id = os.environ["WANDB_RUN_ID"]
            destination += f"/{run_id}"
        with filelock.FileLock(folder / ".tracked.lock"):
            state = _read_state(path)
            last = state.get(destination, {})
            group = self.group or last.get("group") or group
            fingerprint = keys.digest([group, shown.fingerprint])
            if self.mode == "disabled":
                self._replay(store, run_id, shown, group)
                return
            known = last.get("content") == fingerprint and last.get("mode") in (self.mode, "online")
            if known and not self.resend:
                log.info("W&B, %s: %s was sent before", self.mode, folder.name)
                return
            # From here on until the end nothing counts as sent; what a killed replay left goes, since `wandb sync`
            # would send it too, or stop at it and send nothing.
            write_json(path, state | {destination: {"group": group}})
            elsewhere = [entry.get("folder") for name, entry in state.items() if name != destination]
            for offline in _offline_runs(store.root / "wandb", run_id):
                if offline.name not in elsewhere:
                    _remove(offline)
            sent = {"group": group, "mode": self.mode, "content": fingerprint}
            sent["folder"] = self._replay(store, run_id, shown, group)
            write_json(path, state | {destination: sent})
            log.info("W&B, %s: %s is sent", self.mode, folder.name)

    def _replay(self, store: Store, run_id: str, shown: Content, group: str) -> str:
        """Log everything; returns the name of the folder with W&B's own files."""
        with self._open(store, run_id, shown, group) as run:
            for name, direction in shown.directions.items():
                run.define_metric(name, summary=EXTREMES[direction])
            run.log({**shown.figures, **_tables(shown), **_plots(shown)})
            # plain numbers: W&B would make {"min": ...} of a metric whose extreme is defined
            run.summary.update({**shown.figures, **shown.summary})
            run.log_artifact(_artifact(run_id, shown))
            return Path(run.dir).parent.name

    @contextlib.contextmanager
    def _open(self, store: Store, run_id: str, shown: Content, group: str) -> Iterator[Any]:
        """A W&B run that is always finished; of one that fails no offline folder is left."""
        import wandb

        # nothing of the machine from which it is sent: the configuration tells where it was made
        settings = wandb.Settings(
            silent=True, console="off", disable_git=True, save_code=False, x_disable_meta=True, x_disable_stats=True,
            x_save_requirements=False,
        )  # fmt: skip
        try:
            wandb.setup(settings)  # silent when it logs in, too
            run = wandb.init(
                id=run_id, name=shown.name, group=group, job_type=shown.job_type, config=shown.config, tags=shown.tags,
                notes=shown.notes, project=self.project, entity=self.entity, mode=self.mode, dir=str(store.root),
                reinit="create_new", settings=settings,
            )  # fmt: skip
        except wandb.errors.Error as error:
            wandb.teardown()
            raise UserError(f"tracking=wandb: {str(error).splitlines()[0].rstrip('.')}; {LATER}") from error
        folder = Path(run.dir).parent
        offline = folder if self.mode == "offline" else None
        with _data_in(offline):
            try:
                yield run
            except BaseException:
                _finish(run, exit_code=1)
                if offline is not None:
                    _remove(offline)
                raise
            _finish(run, exit_code=0)
        if lost := _lost(folder / "logs" / "debug-internal.log"):
            raise UserError(f"tracking=wandb: not all of {shown.name} arrived ({lost}); {LATER}")


def _read_state(path: Path) -> dict[str, dict[str, Any]]:
    """By destination, what was sent last."""
    value = read_json(path)
    return {name: entry for name, entry in value.items() if isinstance(entry, dict)} if isinstance(value, dict) else {}


def _finish(run: Any, exit_code: int) -> None:
    import wandb

    run.finish(exit_code=exit_code)
    wandb.teardown()  # waits until W&B's process has written its log, of which the end is still in its memory


def _lost(path: Path) -> str:
    """What W&B's process could not send, by its own log; empty where nothing."""
    with contextlib.suppress(FileNotFoundError):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError, AttributeError):  # no object in JSON
                entry = json.loads(line)
                message = str(entry.get("msg", ""))
                if str(entry.get("level", "")).startswith("ERROR") and message.startswith(LOSSES):
                    return message[:200]
    return ""


@contextlib.contextmanager
def _data_in(folder: Path | None) -> Iterator[None]:
    """Let W&B keep the files of artifacts in an offline run's own folder, not in the user's home."""
    from wandb.env import DATA_DIR

    before = os.environ.get(DATA_DIR)
    if folder is not None:
        os.environ[DATA_DIR] = str(folder.absolute())
    try:
        yield
    finally:
        if before is not None:
            os.environ[DATA_DIR] = before
        elif folder is not None:
            del os.environ[DATA_DIR]


def _offline_runs(folder: Path, run_id: str) -> list[Path]:
    """All that are kept of one W&B run, which numbers those that it makes within one second."""
    name = re.compile(rf"offline-run-\d+_\d+-{re.escape(run_id)}(-\d+)?")
    return [path for path in folder.glob("offline-run-*") if name.fullmatch(path.name)]


def _remove(offline: Path) -> None:
    """Remove an offline run: first what `wandb sync` looks for, as W&B's process may outlive a killed one and write."""
    for path in offline.glob("*.wandb"):
        path.unlink(missing_ok=True)
    shutil.rmtree(offline, ignore_errors=True)


def _tables(shown: Content) -> dict[str, Any]:
    """Typed, each file that several cells show only once."""
    import pandas as pd
    import wandb

    media: dict[Path, Any] = {}

    def cell(value: Any) -> Any:
        if not isinstance(value, Path):
            return value
        if value not in media:
            media[value] = wandb.Video(str(value)) if value.suffix == ".mp4" else wandb.Image(str(value))
        return media[value]

    def kind(column: pd.Series) -> Any:
        if pd.api.types.is_bool_dtype(column):
            return bool
        if pd.api.types.is_numeric_dtype(column):
            return int if pd.api.types.is_integer_dtype(column) else float
        paths = [value for value in column if isinstance(value, Path)]
        return type(cell(paths[0])) if paths else str

    return {
        name: wandb.Table(
            columns=[str(column) for column in table],
            data=[[cell(value) for value in row] for row in content.rows(table)],
            dtype=[kind(table[column]) for column in table],
        )
        for name, table in shown.tables.items()
    }


def _plots(shown: Content) -> dict[str, Any]:
    import wandb

    return {f"plots/{name}": wandb.Image(str(path)) for name, path in shown.plots.items()}


def _artifact(run_id: str, shown: Content) -> Any:
    """The files; equal ones are no new version of it."""
    import wandb

    signatures = {name: about["signature"] for name, about in shown.config["metrics"].items()}
    artifact = wandb.Artifact(f"{shown.job_type}-{run_id}", type="scores", metadata={"signatures": signatures})
    for path in shown.files:
        artifact.add_file(str(path), name=path.name)
    return artifact
