"""Small-sample bias of metrics of sets: what they read, by the number of samples, where there is nothing to read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from charachbench import keys
from charachbench.evaluate import NamedMetric
from charachbench.validation.responses import TRUTH, Extracted, summary

FEWEST = 4
POINTS = 6
"""Sample sizes, from ``FEWEST`` to half of all samples, evenly on a logarithmic scale."""


@dataclass(frozen=True)
class Bias:
    """A metric's numbers over two disjoint random sets of samples of uncorrupted truths.

    Both sets are of one distribution, so a distance without bias reads 0 on average.

    Attributes:
        sizes: (K,), samples in each set, ascending.
        values: (K, repeats); NaN where the metric has no number.
    """

    named: NamedMetric
    sizes: np.ndarray
    values: np.ndarray


def measure(extracted: Extracted, repeats: int, seed: int) -> Bias | None:
    """The bias of a metric of sets; None of others, and where there are too few samples.

    Args:
        extracted: of all pairs.
        repeats: draws of both sets for each size.
        seed: of the drawing; metrics that extract equally many samples draw the same ones.
    """
    arrays = list(extracted.arrays[TRUTH].values())
    if extracted.named.metric.per_pair or not arrays:
        return None
    rows = np.concatenate(arrays)
    most = len(rows) // 2
    if most < 2:
        return None
    sizes = np.unique(np.geomspace(min(FEWEST, most), most, POINTS).round().astype(int))
    compared = any(reference is not None for reference in extracted.references.values())
    rng = np.random.default_rng(int(keys.digest(["bias", len(rows), seed])[:16], 16))
    values = np.full((len(sizes), repeats), np.nan)
    for repeat in range(repeats):
        order = rng.permutation(len(rows))
        for index, size in enumerate(sizes):
            references = [rows[order[most : most + size]]] if compared else []
            value = summary(extracted.named.metric, [rows[order[:size]]], references)
            values[index, repeat] = np.nan if value is None else value
    return Bias(extracted.named, sizes, values) if np.isfinite(values).any() else None
