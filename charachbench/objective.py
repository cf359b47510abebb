"""What a sweeper optimises: the figures of metrics that the setting ``objective`` names, one or several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from charachbench import config
from charachbench.benchmark.types import Benchmark
from charachbench.errors import UserError
from charachbench.evaluate import NamedMetric
from charachbench.leaderboard.aggregate import aggregate
from charachbench.leaderboard.collect import collect
from charachbench.store import Run, Store

if TYPE_CHECKING:
    from omegaconf import DictConfig

WAYS = {"up": "maximize", "down": "minimize"}
"""In Optuna's words."""


def names(objective: Any) -> list[str]:
    """Of metrics; empty where there is nothing to optimise.

    Args:
        objective: the setting.

    Raises:
        UserError: it is neither a name, a list of names, nor null.
    """
    listed = [objective] if isinstance(objective, str) else list(objective or [])
    if not all(isinstance(name, str) for name in listed):
        raise UserError(f"objective: {objective} is no name of a metric; accepted: NAME, [NAME,NAME] or null")
    return listed


def check(objective: Any, metrics: Any) -> None:
    """See that all that is named is configured.

    Args:
        objective: the setting.
        metrics: the configured ones by name, None for those that are left out.

    Raises:
        UserError: something is not.
    """
    known = [str(name) for name, node in metrics.items() if node is not None]
    for name in names(objective):
        if name not in known:
            raise UserError(f"objective: '{name}' is not a configured metric;{config.suggest(name, known)}")


def check_sweeper(composed: DictConfig) -> None:
    """See that a sweeper which optimises has an objective, and looks in the direction of its metrics.

    Args:
        composed: the configuration of a sweep, before its jobs' own settings.

    Raises:
        UserError: it has not, or does not.
    """
    if "direction" not in composed.hydra.sweeper:  # Optuna's
        return
    from omegaconf import OmegaConf

    listed, direction = names(composed.objective), composed.hydra.sweeper.direction
    if not listed:
        raise UserError("objective: none was chosen, and this sweeper needs one; accepted: the name of a metric")
    check(listed, composed.metrics)
    given = [  # words, or members of Optuna's enumeration
        getattr(each, "name", each) for each in (direction if OmegaConf.is_list(direction) else [direction])
    ]
    wanted = []
    for name in listed:
        metric: Any = config.locate({"_target_": composed.metrics[name]["_target_"]}, f"metrics.{name}")
        wanted.append(WAYS[metric.direction])
    if given != wanted:
        accepted = wanted[0] if len(wanted) == 1 else f"[{','.join(wanted)}]"
        raise UserError(
            f"hydra.sweeper.direction: {', '.join(given)} contradicts what is better of {', '.join(listed)}; "
            f"accepted is hydra.sweeper.direction={accepted}"
        )


def value(
    objective: Any, store: Store, benchmark: Benchmark, run: Run, metrics: list[NamedMetric]
) -> float | list[float] | None:
    """A run's own figures, a list of them where several are named; None where none is.

    Args:
        objective: the setting.
        store: where the scores are.
        benchmark: whose pairs.
        run: whose figures.
        metrics: the configured ones.

    Raises:
        UserError: a pair has no score: figures over different pairs would not compare.
    """
    listed = names(objective)
    if not listed:
        return None
    chosen = {metric.name: metric for metric in metrics if metric.name in listed}
    scores = collect(store, benchmark, list(chosen.values()), only=run.info.key)
    lacking = scores[scores["status"] != "scored"]
    if not lacking.empty:
        first, count = lacking.iloc[0], int((lacking["metric"] == lacking["metric"].iloc[0]).sum())
        raise UserError(
            f"objective: {count} of {len(benchmark.pairs)} pairs have no {first['metric']}, and figures over different "
            f"pairs do not compare; the first, {first['pair']}: {first['reason']}"
        )
    (row,) = aggregate(scores, list(chosen.values()), statistics=False, slices=False).rows
    cells = [row.cells.get(name) for name in listed]
    figures = [cell.value for cell in cells if cell is not None and cell.value is not None]
    if len(figures) < len(listed):
        raise UserError(f"objective: {', '.join(listed)} cannot be had of these pairs")
    return figures[0] if isinstance(objective, str) else figures
