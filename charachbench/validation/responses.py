"""What metrics make of corrupted truths: does a number get worse as its video does?"""

from __future__ import annotations

import functools
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from charachbench import config, keys, provenance
from charachbench.benchmark.folder import spread
from charachbench.benchmark.types import Benchmark, Pair
from charachbench.errors import Unscored, UserError, reason_for
from charachbench.evaluate import NamedMetric, finite, require
from charachbench.progress import track
from charachbench.protocols import Kept, Metric, References, Sample
from charachbench.store import StoreError
from charachbench.validation.corruptions import CLAIMS, CORRUPTIONS, VERSION, Clip, corrupt

log = logging.getLogger(__name__)

NO_RESPONSE = 0.3
"""Below this rank correlation, in either sense, a metric counts as not responding."""
STEADY = 1e-5
"""Values that differ by less, relative to the largest, are equal: metrics promise no more than that."""

_LEAST_SEVERITIES = 3
"""Of a pair, with none among them, for a correlation."""

Step = tuple[str, int]
"""A corruption and its severity; of the truth itself ("", 0)."""
TRUTH: Step = "", 0


@dataclass
class Extracted:
    """What one metric extracted.

    Attributes:
        arrays: by corruption and severity, by pair.
        reasons: likewise, why there is none.
        references: by pair, what it is compared with.
    """

    named: NamedMetric
    arrays: dict[Step, dict[str, np.ndarray]] = field(default_factory=dict)
    reasons: dict[Step, dict[str, str]] = field(default_factory=dict)
    references: dict[str, Kept | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Response:
    """How one metric responds to one corruption.

    Attributes:
        values: at each severity from 0, over the pairs that are scored at all of them; None where it has none.
        pairs: how many these are.
        unscored: how many pairs are not, at each severity.
        reason: the most frequent one; empty where all are scored.
        correlation: Spearman's, of severity and value, +1 where it gets worse step by step, 0 where nothing changes.
            For a metric of single pairs, the mean over pairs of each one's own, over the severities at which that pair
            is scored (three at least): pairs that differ among themselves do not hide what each shows. For a metric
            of sets, of ``values``.
    """

    named: NamedMetric
    corruption: str
    values: tuple[float | None, ...]
    pairs: int
    unscored: tuple[int, ...]
    reason: str
    correlation: float | None

    @property
    def change(self) -> float | None:
        """How much worse the metric says the strongest corruption is than none, in its unit."""
        first, last = self.values[0], self.values[-1]
        if first is None or last is None:
            return None
        return last - first if self.named.metric.direction == "down" else first - last

    @property
    def claimed(self) -> bool:
        """Whether the corruption damages what the metric's family claims to measure."""
        return self.corruption in CLAIMS.get(self.named.metric.family, ())


def rank_correlation(values: Sequence[float], direction: Literal["up", "down"], severities: Sequence[int]) -> float:
    """Spearman's, of severity and how bad the value is; 0 where the values are equal.

    Args:
        values: at least two, finite.
        direction: of the metric.
        severities: of each value.
    """
    from scipy import stats

    if np.ptp(values) <= STEADY * np.abs(values).max():
        return 0.0
    return (1 if direction == "down" else -1) * float(stats.spearmanr(severities, values).statistic)


def choose(benchmark: Benchmark, count: int) -> list[Pair]:
    """So many pairs whose truth is known, spread evenly.

    Raises:
        UserError: there are none.
    """
    if pairs := [pair for pair in benchmark.pairs if pair.truth is not None]:
        return spread(pairs, count)
    raise UserError(
        f"benchmark '{benchmark.name}': no pair has a true video, which is what would be corrupted; accepted: "
        "benchmark=toy, benchmark=self_reenactment benchmark.root=DIR, ..."
    )


def another(benchmark: Benchmark, pair: Pair, seed: int) -> Pair | None:
    """A pair of another character whose truth is known: under the same driver, else under another; None if none is."""
    others = [p for p in benchmark.pairs if p.truth is not None and p.character.name != pair.character.name]
    near = [p for p in others if p.driver.name == pair.driver.name] or others
    return near[int(keys.digest(["other", pair.name, seed])[:8], 16) % len(near)] if near else None


def load(metrics: Sequence[NamedMetric], device: str) -> tuple[list[NamedMetric], dict[str, str]]:
    """The metrics that could be loaded, and by name why the others could not."""
    loaded, missing = [], {}
    for named in metrics:
        try:
            named.metric.load(provenance.resolve_device(device))
            loaded.append(named)
        except Exception as error:
            missing[named.name] = reason_for(error)
    return loaded, missing


def extract(
    settings: config.Config,
    benchmark: Benchmark,
    pairs: Sequence[Pair],
    metrics: Sequence[NamedMetric],
    references: References,
    kept: References,
) -> tuple[list[Extracted], list[str]]:
    """Let every metric look at every pair under every corruption; each corrupted video is made once.

    Args:
        settings: their ``validate.severities``, ``seed`` and ``on_error`` count.
        benchmark: where another character is taken from.
        pairs: of it, with truth.
        metrics: loaded.
        references: keeps what metrics compute of characters, drivers and truths.
        kept: keeps what they extract, so that a broken-off validation goes on where it was.

    Returns:
        What was extracted, and the first failure of each metric, a sentence each; those pairs are unscored too.

    Raises:
        UserError: a metric failed and ``on_error`` is ``raise``.
    """
    severities = settings.validate.severities
    steps = [TRUTH, *((name, severity) for name in CORRUPTIONS for severity in range(1, severities + 1))]
    found = [Extracted(named, {step: {} for step in steps}, {step: {} for step in steps}) for named in metrics]
    failures: dict[str, str] = {}

    @functools.lru_cache(2)  # the pair and the other one
    def truth(pair: Pair) -> Clip:
        assert pair.truth is not None
        return Clip(pair.truth.video, pair.truth.landmarks)

    @functools.lru_cache(1)
    def corrupted(pair: Pair, name: str, severity: int) -> Sample:
        def other() -> Clip:
            if (found := another(benchmark, pair, settings.seed)) is None:
                raise Unscored("the true video of no other character is known")
            return truth(found)

        clip = corrupt(name, truth(pair), severity / severities, [VERSION, pair.name, settings.seed], other)
        return Sample(pair, clip.video, landmarks=clip.landmarks, references=references)

    def identity(pair: Pair, name: str, severity: int) -> list[Any]:
        """All that decides the corrupted video and what it is compared with."""
        used = [pair, *([other] if name and (other := another(benchmark, pair, settings.seed)) else [])]
        inputs = [
            [p.character.fingerprint, p.character.annotation_fingerprint, p.driver.fingerprint, p.truth.fingerprint]
            for p in used
            if p.truth
        ]
        return [VERSION, inputs, *([name, severity / severities, pair.name, settings.seed] if name else [])]

    def array(named: NamedMetric, pair: Pair, step: Step) -> np.ndarray:
        require(pair, named.metric)

        def compute() -> np.ndarray:
            return finite(named.metric.extract(corrupted(pair, *step)))

        what = named.metric.extraction() or named.identity
        return kept.get(["validation", what, identity(pair, *step)], compute).array

    for pair, step in track([(pair, step) for pair in pairs for step in steps], "validate"):
        for one in found:
            try:
                values = array(one.named, pair, step)
                if step == TRUTH:
                    one.references[pair.name] = one.named.metric.reference(corrupted(pair, *TRUTH))
                one.arrays[step][pair.name] = values
            except Unscored as unscored:
                one.reasons[step][pair.name] = str(unscored)
            except StoreError:
                raise
            except Exception as error:
                one.reasons[step][pair.name] = reason_for(error)
                where = f"{one.named.name} of {pair.name}" + (f" under {step[0]} {step[1]}" if step[0] else "")
                if settings.on_error == "raise":
                    raise UserError(f"{where} failed: {reason_for(error)}") from error
                failures.setdefault(one.named.name, f"{where}: {reason_for(error)}")
    return found, list(failures.values())


def respond(extracted: Extracted, corruption: str, severities: int) -> Response:
    """How the metric responds to a corruption."""
    steps: list[Step] = [TRUTH, *((corruption, severity) for severity in range(1, severities + 1))]
    arrays, reasons = [extracted.arrays[step] for step in steps], [extracted.reasons[step] for step in steps]
    metric = extracted.named.metric
    shared = [name for name in arrays[0] if all(name in at for at in arrays)]
    kept = [reference for name in shared if (reference := extracted.references.get(name)) is not None]
    references = list({reference.key: reference.array for reference in kept}.values())
    values = [summary(metric, [at[name] for name in shared], references) for at in arrays]
    correlations: list[float] = []
    if metric.per_pair:
        for name in arrays[0]:
            own = {severity: summary(metric, [at[name]]) for severity, at in enumerate(arrays) if name in at}
            known = {severity: value for severity, value in own.items() if value is not None}
            if len(known) >= _LEAST_SEVERITIES:
                correlations.append(rank_correlation(list(known.values()), metric.direction, list(known)))
    elif all(value is not None for value in values):
        correlations = [rank_correlation([v for v in values if v is not None], metric.direction, range(len(values)))]
    common = Counter(reason for at in reasons for reason in at.values()).most_common(1)
    return Response(
        named=extracted.named,
        corruption=corruption,
        values=tuple(values),
        pairs=len(shared),
        unscored=tuple(len(at) for at in reasons),
        reason=common[0][0] if common else "",
        correlation=float(np.mean(correlations)) if correlations else None,
    )


def summary(metric: Metric, arrays: Sequence[np.ndarray], references: Sequence[np.ndarray] = ()) -> float | None:
    """The metric's number, None where it has none."""
    try:
        value = metric.summarise(arrays, references) if len(arrays) else np.nan
    except Unscored:  # too few samples, say
        return None
    return float(value) if np.isfinite(value) else None
