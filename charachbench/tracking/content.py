"""What one W&B run shows, as plain data and files: nothing of W&B is needed to make it, to compare it or to test it."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from charachbench import keys, pictures, video
from charachbench.benchmark.folder import spread
from charachbench.benchmark.types import Benchmark, Pair
from charachbench.codecs import LOSSLESS
from charachbench.config import Track
from charachbench.errors import UserError
from charachbench.evaluate import NamedMetric
from charachbench.leaderboard import render
from charachbench.leaderboard.board import Leaderboard
from charachbench.leaderboard.collect import without_paths
from charachbench.store import Entry, Run, Store, atomic_write

if TYPE_CHECKING:
    import pandas as pd

SECRET = re.compile(r"(^|_)(token|secret|password|passwd|credentials?|api_?key)$", re.IGNORECASE)
"""Names of settings that are nobody's business."""
HIDDEN = "hidden"
LONGEST_TAG = 64
"""Characters that W&B takes."""
STATUSES = ("failed", "missing", "error", "pending", "unscored", "scored")
"""Of a pair under a metric, the worst first: a pair is as its worst."""
MEDIA = ("character_image", "driver_video", "preview", "overlay", "strip")
PLOTS = Path("report", "plots")
"""Within a benchmark's folder: pictures that its leaderboard shows."""


@dataclass(frozen=True)
class Content:
    """What one W&B run shows.

    Attributes:
        name: what it is called.
        job_type: which of the two it is.
        notes: what a reader must know, Markdown.
        tags: what it can be found by.
        config: how it came about.
        figures: by metric; plotted, and what W&B's sweeps optimise.
        directions: of metrics.
        summary: other single numbers.
        tables: by name; a cell that is a path is a picture or a video.
        plots: pictures by name.
        files: of its artifact.
    """

    name: str
    job_type: Literal["run", "leaderboard"]
    notes: str
    tags: list[str]
    config: dict[str, Any]
    figures: dict[str, float] = field(default_factory=dict)
    directions: dict[str, Literal["up", "down"]] = field(default_factory=dict)
    summary: dict[str, float | int] = field(default_factory=dict)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    plots: dict[str, Path] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)

    @property
    def fingerprint(self) -> str:
        """Hash of all that is shown, of files their bytes."""
        tables = {name: [list(table), _hashable(rows(table))] for name, table in self.tables.items()}
        files = {path.name: path for path in self.files}
        return keys.digest(_hashable({**vars(self), "tables": tables, "files": files}))


def rows(table: pd.DataFrame) -> list[list[Any]]:
    """Its cells as plain Python objects; what is missing is None."""
    plain = table.astype(object)
    cells: list[list[Any]] = plain.where(plain.notna(), None).to_numpy().tolist()
    return cells


def _hashable(value: Any) -> Any:
    if isinstance(value, Path):
        return hashlib.sha256(value.read_bytes()).hexdigest()
    if isinstance(value, Mapping):
        return {name: _hashable(inner) for name, inner in value.items()}
    return [_hashable(inner) for inner in value] if isinstance(value, list) else value


def of_run(
    store: Store,
    benchmark: Benchmark,
    run: Run,
    metrics: Sequence[NamedMetric],
    scores: pd.DataFrame,
    board: Leaderboard,
    *,
    previews: int,
    scratch: Path,
) -> Content:
    """A run: its configuration and provenance, figures over its own pairs, and a table of its pairs.

    Args:
        store: where it is.
        benchmark: whose pairs.
        run: what is shown.
        metrics: the table's columns.
        scores: of this run alone, as ``collect`` gives them.
        board: made of them.
        previews: of how many pairs, evenly spread, pictures and videos are shown.
        scratch: a folder for files that are not in the store.
    """
    row, finished = board.rows[0], run.finished(benchmark)
    records = [record for _, record in finished.values()]
    figures, summary = {}, _counts(scores, records)
    for column in board.columns:
        cell = row.cells[column.name]
        if cell.value is not None:
            figures[column.name] = cell.value
        if cell.interval is not None:
            summary |= dict(zip((f"{column.name}_low", f"{column.name}_high"), cell.interval, strict=True))
    summary |= {"pairs_total": board.pairs, "pairs_made": row.made, "pairs_failed": row.failed}
    summary["pairs_degraded"] = sum(count for _, count in row.degraded)
    marks = {"control": row.control, "random_weights": row.random, "compressed": row.codec != LOSSLESS}
    info = {name: _public(value) for name, value in asdict(run.info).items() if name != "schema"}
    # W&B takes a dot in a key for another level
    info["versions"] = [f"{target} {version}" for target, version in sorted(run.info.versions.items())]
    provenance = ("code", "packages", "device", "device_name")
    scores_path = scratch / "scores.parquet"
    without_paths(scores).to_parquet(scores_path, index=False)
    return Content(
        name=row.method,
        job_type="run",
        notes=_notes(board),
        tags=_tags(benchmark, [name for name, holds in marks.items() if holds]),
        config={
            **info,
            "track": _track(benchmark),
            "metrics": {metric.name: _about(metric) for metric in metrics},
            **{name: _agreed([record[name] for record in records]) for name in provenance},
        },
        figures=figures,
        directions={column.name: column.direction for column in board.columns},
        summary=summary,
        tables={"pairs": _pairs(store, benchmark, finished, metrics, scores, previews)},
        files=[scores_path],
    )


def of_leaderboard(
    store: Store,
    benchmark: Benchmark,
    metrics: Sequence[NamedMetric],
    scores: pd.DataFrame,
    board: Leaderboard,
    *,
    scratch: Path,
) -> Content:
    """A leaderboard: its tables, the plots of its report, and its files.

    Args:
        store: where its runs are.
        benchmark: whose leaderboard.
        metrics: its columns.
        scores: as ``collect`` gives them.
        board: made of them.
        scratch: a folder for its files.
    """
    files = {
        **render.writers(board),
        "scores.parquet": lambda path: without_paths(scores).to_parquet(path, index=False),
    }
    for name, write in files.items():
        write(scratch / name)
    figures = render.figures(board).drop(columns=["benchmark", "run", "given", "made", "failed", "pairs"])
    figures = figures.astype(dict.fromkeys(("value", "low", "high"), float))
    domains = figures[figures["over"] == "domain"].drop(columns="over").rename(columns={"part": "domain"})
    tables = {
        "leaderboard": _leaderboard(board),
        "figures": figures[figures["over"] == "all"].drop(columns=["over", "part"]),
        "by_domain": domains,
        "comparisons": render.comparisons(board).drop(columns="benchmark", errors="ignore"),
    }
    plots = sorted((store.benchmark_folder(benchmark) / PLOTS).glob("*.png"))
    return Content(
        name=f"leaderboard {benchmark.name}",
        job_type="leaderboard",
        notes=_notes(board),
        tags=_tags(benchmark),
        config={
            "benchmark": {"name": benchmark.name, "options": benchmark.options},
            "track": _track(benchmark),
            "aggregation": board.aggregation.name,
            "metrics": {metric.name: _about(metric) for metric in metrics},
            "methods": [{"method": row.method, "run": row.run} for row in board.rows],
        },
        summary={
            "methods": len(board.rows), "pairs_total": board.pairs,
            "characters": board.characters, "drivers": board.drivers,
        },
        tables={name: table for name, table in tables.items() if not table.empty},
        plots={path.stem: path for path in plots},
        files=[scratch / name for name in files],
    )  # fmt: skip


def _public(value: Any, name: str = "") -> Any:
    """A setting without secrets that somebody gave a method, as in a variable of its process or in an address."""
    if isinstance(value, dict):
        return {inner: _public(each, str(inner)) for inner, each in value.items()}
    if isinstance(value, list):
        return [_public(each, name) for each in value]
    if not isinstance(value, str):
        return value
    return HIDDEN if SECRET.search(name) else re.sub(r"(?<=://)[^/@\s]+(?=@)", HIDDEN, value)


def _track(benchmark: Benchmark) -> str:
    return str(benchmark.options.get("track", Track.animation.name))


def _tags(benchmark: Benchmark, marks: Sequence[str] = ()) -> list[str]:
    domains = sorted({f"domain:{character.domain}" for character in benchmark.characters})
    tags = [f"track:{_track(benchmark)}", f"benchmark:{benchmark.name}", *marks, *domains]
    return list(dict.fromkeys(tag[:LONGEST_TAG] for tag in tags))


def _notes(board: Leaderboard) -> str:
    return "\n".join(f"* {line}" for line in [*board.footnotes(), *board.protocols()])


def _about(metric: NamedMetric) -> dict[str, Any]:
    about = {name: getattr(metric.metric, name) for name in ("family", "unit", "direction", "version")}
    return {"signature": metric.signature, **about, "protocol": metric.identity["protocol"]}


def _agreed(values: Sequence[Any]) -> Any:
    """The value, where all agree; else each, once: pairs may be made at different times and places."""
    distinct = list({keys.digest(value): value for value in values}.values())
    return distinct[0] if len(distinct) == 1 else distinct


def _counts(scores: pd.DataFrame, records: Sequence[dict[str, Any]]) -> dict[str, float | int]:
    """What became of the scores, and what the pairs took together."""
    counts: dict[str, float | int] = {
        f"scores_{status}": int((scores["status"] == status).sum()) for status in ("scored", "unscored", "error")
    }
    if records:
        seconds = sum(record["seconds"]["generate"] for record in records)
        frames = sum(record["frames"] for record in records)
        counts |= {"seconds": seconds, "frames_per_second": frames / max(seconds, 1e-9)}
    for name in ("ram", "gpu"):
        peaks = [peak for record in records if (peak := record["peak_memory_mib"][name]) is not None]
        counts |= {f"peak_{name}_mib": max(peaks)} if peaks else {}
    return counts


def _pairs(
    store: Store,
    benchmark: Benchmark,
    finished: Mapping[str, tuple[Entry, dict[str, Any]]],
    metrics: Sequence[NamedMetric],
    scores: pd.DataFrame,
    previews: int,
) -> pd.DataFrame:
    """One row a pair, one column a metric that means something for a single pair."""
    import pandas as pd

    own = dict(list(scores.groupby("pair")))
    names = [metric.name for metric in metrics if metric.metric.per_pair]
    shown = {pair.name for pair in spread(list(benchmark.pairs), previews)}
    lines = []
    for pair in benchmark.pairs:
        entry, record = finished.get(pair.name, (None, None))
        values = own[pair.name].set_index("metric")["value"]
        lines.append(
            {
                "pair": pair.name, "character": pair.character.name, "domain": pair.character.domain,
                "driver": pair.driver.name, "status": min(own[pair.name]["status"], key=STATUSES.index),
                "reason": _reason(own[pair.name]), "degraded": record.get("degraded", "") if record else "",
                **{name: values[name] for name in names}, **_cost(record),
                **dict.fromkeys(MEDIA), **(_media(store, pair, entry) if pair.name in shown else {}),
            }
        )  # fmt: skip
    table = pd.DataFrame(lines).astype(dict.fromkeys([*names, *_cost(None)], float))
    return table.drop(columns=[name for name in MEDIA if table[name].isna().all()])


def _reason(scores: pd.DataFrame) -> str:
    """Why a pair is not scored, and under which metrics, where not under all."""
    lacking = scores[scores["status"] != "scored"]
    told = {str(reason): list(part["metric"]) for reason, part in lacking.groupby("reason", sort=False)}
    return "; ".join(
        reason if len(names) == len(scores) else f"{', '.join(names)}: {reason}" for reason, names in told.items()
    )


def _cost(record: dict[str, Any] | None) -> dict[str, float | None]:
    """What a pair took; None where it was not made, and for a GPU that was not there."""
    if record is None:
        return dict.fromkeys(("seconds", "frames_per_second", "peak_ram_mib", "peak_gpu_mib"))
    return {
        "seconds": record["seconds"]["generate"],
        "frames_per_second": record["frames_per_second"],
        **{f"peak_{name}_mib": peak for name, peak in record["peak_memory_mib"].items()},
    }


def _media(store: Store, pair: Pair, entry: Entry | None) -> dict[str, Path]:
    """What there is to see of a pair, by name."""
    found = {}
    # an image or video that cannot be read fails its pairs, not what is shown of others
    with contextlib.suppress(UserError):
        found["character_image"] = _cached(
            store, pair.character.fingerprint, "png", lambda path: pictures.save(path, pair.character.image)
        )
    with contextlib.suppress(UserError):
        if pair.driver.name:
            found["driver_video"] = _cached(
                store, pair.driver.fingerprint, "mp4", lambda path: video.write_preview(pair.driver.video, path)
            )
    if entry is not None:
        made = {"preview": entry.preview_path, "overlay": entry.overlay_path, "strip": entry.strip_path}
        found |= {name: path for name, path in made.items() if path.is_file()}
    return found


def _cached(store: Store, fingerprint: str, suffix: str, write: Callable[[Path], object]) -> Path:
    path = store.cache / "shown" / f"{keys.digest(fingerprint)[:32]}.{suffix}"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, write)
    return path


def _leaderboard(board: Leaderboard) -> pd.DataFrame:
    """One row a method, one column a metric; coverage, and the mean rank over all metrics."""
    import pandas as pd

    ranking = board.ranking
    places = {} if ranking is None else {method: place for place, method in enumerate(ranking.methods)}
    lines = []
    for row in board.rows:
        place = places.get(row.method)
        mean = None if ranking is None or place is None else ranking.means[place]
        low, high = (ranking.intervals[place] if ranking is not None and place is not None else None) or (None, None)
        lines.append(
            {
                "method": row.method, "control": row.control, "random_weights": row.random, "given": row.given,
                "made": row.made, "failed": row.failed, "coverage": row.made / board.pairs,
                "mean_rank": mean, "mean_rank_low": low, "mean_rank_high": high,
                **{column.name: row.cells[column.name].value for column in board.columns},
            }
        )  # fmt: skip
    numbers = ["mean_rank", "mean_rank_low", "mean_rank_high", *(column.name for column in board.columns)]
    return pd.DataFrame(lines).astype(dict.fromkeys(numbers, float))
