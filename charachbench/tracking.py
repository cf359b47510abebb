"""Weights & Biases as a view of the store: logging is a replay, so it can happen at once, later, again, or never."""

from __future__ import annotations

import contextlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from charachbench import keys
from charachbench.benchmark.types import Benchmark
from charachbench.errors import UserError
from charachbench.evaluate import NamedMetric
from charachbench.leaderboard.aggregate import aggregate
from charachbench.leaderboard.board import Leaderboard
from charachbench.leaderboard.collect import collect
from charachbench.store import Run, Store, read_json, write_json

if TYPE_CHECKING:
    import pandas as pd


log = logging.getLogger(__name__)


class Tracking(ABC):
    """Where results are shown beside the store."""

    @abstractmethod
    def send_run(self, store: Store, benchmark: Benchmark, run: Run, metrics: Sequence[NamedMetric]) -> None:
        """Show one run."""

    @abstractmethod
    def send_leaderboard(self, store: Store, benchmark: Benchmark, metrics: Sequence[NamedMetric]) -> None:
        """Show the leaderboard."""


class NoTracking(Tracking):
    """Nowhere."""

    def send_run(self, store: Store, benchmark: Benchmark, run: Run, metrics: Sequence[NamedMetric]) -> None:
        """Nothing."""

    def send_leaderboard(self, store: Store, benchmark: Benchmark, metrics: Sequence[NamedMetric]) -> None:
        """Nothing."""


class Wandb(Tracking):
    """One W&B run per run of the store, under an id that follows from its key, and one for the leaderboard.

    What was sent where is written into the store, so the same content goes to one destination once.

    Args:
        mode: ``offline`` keeps it under ``<results>/wandb`` for ``wandb sync``; ``disabled`` does all but send.
        project, entity: where to; the entity defaults to the user's own.
        group: what the runs are grouped under; if null, the sweep they are part of, else the benchmark's folder.
        previews: of how many pairs to send the video and the pictures, for each run.
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

    def send_run(self, store: Store, benchmark: Benchmark, run: Run, metrics: Sequence[NamedMetric]) -> None:
        """Its configuration, scores as summary and per-pair table, and some previews and pictures."""
        import wandb

        scores = collect(store, benchmark, metrics, only=run.info.key)
        board = aggregate(scores, metrics, slices=False)
        finished = run.finished(benchmark)
        folder = store.benchmark_folder(benchmark)
        content = [_json_safe(scores), {name: record["outputs"] for name, (_, record) in finished.items()}]
        with self._session(store, run.folder, f"{folder.name[-8:]}-{run.info.key[:16]}", content) as session:
            if session is None:
                return
            label = str(scores["method"].iloc[0])
            session.setup(name=label, group=self._group(folder), job_type="run", config=asdict(run.info))
            session.run.summary.update(_summary(board))
            table = wandb.Table(dataframe=_text_where_mixed(scores.drop(columns=["array", "reference", "run"])))
            logged: dict[str, Any] = {"pairs": table}
            for name, (entry, _) in sorted(finished.items())[: self.previews]:
                if entry.preview_path.is_file():
                    logged[f"preview/{name}"] = wandb.Video(str(entry.preview_path), format="mp4")
                for kind, path in (("overlay", entry.overlay_path), ("strip", entry.strip_path)):
                    if path.is_file():
                        logged[f"{kind}/{name}"] = wandb.Image(str(path))
            session.run.log(logged)

    def send_leaderboard(self, store: Store, benchmark: Benchmark, metrics: Sequence[NamedMetric]) -> None:
        """The leaderboard as a table, under one id per benchmark."""
        import wandb

        scores = collect(store, benchmark, metrics)
        if scores.empty:
            return
        board = aggregate(scores, metrics, slices=False)
        folder = store.benchmark_folder(benchmark)
        rows: list[Any] = [
            [row.method, f"{row.made}/{board.pairs}", *(row.cells[column.name].value for column in board.columns)]
            for row in board.rows
        ]
        with self._session(store, folder, f"{folder.name[-8:]}-leaderboard", rows) as session:
            if session is not None:
                session.setup(
                    name=f"leaderboard {benchmark.name}", group=self._group(folder), job_type="leaderboard",
                    config={"benchmark": benchmark.name, "options": benchmark.options},
                )  # fmt: skip
                headings: list[str | int] = ["method", "pairs", *(column.heading for column in board.columns)]
                session.run.log({"leaderboard": wandb.Table(columns=headings, data=rows)})

    def _group(self, folder: Path) -> str:
        from hydra.core.hydra_config import HydraConfig
        from hydra.types import RunMode

        in_sweep = HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN
        sweep = "_".join(Path(HydraConfig.get().sweep.dir).parts[-2:]) if in_sweep else None
        return self.group or sweep or folder.name

    @contextlib.contextmanager
    def _session(self, store: Store, folder: Path, run_id: str, content: Any) -> Iterator[_Session | None]:
        """A W&B run that is always finished; None where the destination has this content already."""
        state_path, destination = folder / "tracked.json", f"{self.mode}:{self.entity or ''}/{self.project}"
        state = read_json(state_path) or {}
        fingerprint = keys.digest(content)
        if state.get(destination) == fingerprint and not self.resend:
            log.info("W&B, %s: %s was sent before", self.mode, folder.name)
            yield None
            return
        session = _Session(self, store, run_id)
        try:
            yield session
        except BaseException:
            session.finish(exit_code=1)
            raise
        session.finish(exit_code=0)
        write_json(state_path, state | {destination: fingerprint})
        log.info("W&B, %s: %s is sent", self.mode, folder.name)


class _Session:
    """One W&B run from its start to its end."""

    def __init__(self, tracking: Wandb, store: Store, run_id: str) -> None:
        self.tracking, self.store, self.id = tracking, store, run_id
        self.run: Any = None

    def setup(self, *, name: str, group: str, job_type: str, config: dict[str, Any]) -> None:
        import wandb

        tracking = self.tracking
        try:
            self.run = wandb.init(
                id=self.id, name=name, group=group, job_type=job_type, config=config,
                project=tracking.project, entity=tracking.entity, mode=tracking.mode, dir=str(self.store.root),
                resume="allow" if tracking.mode == "online" else None,
                settings=wandb.Settings(silent=True, console="off"),
            )  # fmt: skip
        except wandb.errors.Error as error:
            raise UserError(
                f"tracking=wandb: {str(error).splitlines()[0]}; all results are in the store, "
                "send them later with `charachbench track tracking=wandb`"
            ) from error

    def finish(self, exit_code: int) -> None:
        if self.run is not None:
            self.run.finish(exit_code=exit_code)


def _summary(board: Leaderboard) -> dict[str, float | int]:
    row = board.rows[0]
    figures = {name: cell.value for name, cell in row.cells.items() if cell.value is not None}
    return {**figures, "pairs_made": row.made, "pairs_failed": row.failed, "pairs": board.pairs}


def _json_safe(scores: pd.DataFrame) -> list[list[Any]]:
    columns = scores[["pair", "metric", "status", "value", "reason"]].astype(object)
    rows: list[list[Any]] = columns.where(columns.notna(), None).to_numpy().tolist()
    return rows


def _text_where_mixed(scores: pd.DataFrame) -> pd.DataFrame:
    """W&B tables want one type per column."""
    return scores.assign(value=scores["value"].astype(float), reason=scores["reason"].astype(str))
