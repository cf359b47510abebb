"""Intervals and tests for means over a crossed design, in which pairs share characters and drivers.

A pair's value is taken for a mean, an effect of its character, an effect of its driver, and a rest of its own, all
three random: another benchmark would have other characters and drivers. Pairs of one character are alike, so an
interval that took every pair for a sample of its own would be too narrow.

Resampling characters and drivers as they are counts the rest three times (Owen, "The pigeonhole bootstrap", Annals of
Applied Statistics, 2007). So the effects are estimated, scaled to their unbiased variances, and resampled each for
itself (the residual bootstrap of Carpenter, Goldstein and Rasbash, Journal of the Royal Statistical Society C, 2003).
Variances are found from sums of squares that need no balance: a method may lack pairs (Gao and Owen, "Efficient moment
calculations for variance components in large unbalanced crossed random effects models", Electronic Journal of
Statistics, 2017).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEVEL = 0.95
"""Of intervals."""
RESAMPLES = 1000
FLIPS = 9999
_SEED = 0
_ROUND_OFF = 1e-9


@dataclass(frozen=True)
class _Part:
    """One of those that values are made of.

    Attributes:
        codes: (N,), of each pair which level it has; of the rest, each pair its own.
        shares: (L,), of all pairs the share that each level has.
        effects: (L, K), their mean square being the variance that is estimated without bias.
        variance: (K,), what they add to the variance of the mean.
        freedom: degrees of freedom of the mean square that ``variance`` was found from.
    """

    codes: np.ndarray
    shares: np.ndarray
    effects: np.ndarray
    variance: np.ndarray
    freedom: float


class Crossed:
    """Means of K quantities over the same N pairs.

    Args:
        values: (N, K), finite.
        first: (N,), of each pair its character, or whatever else pairs share.
        second: (N,), its driver, likewise.

    Attributes:
        means: (K,).
    """

    def __init__(self, values: np.ndarray, first: np.ndarray, second: np.ndarray) -> None:
        values = np.asarray(values, dtype=np.float64)
        self.means = values.mean(axis=0)
        factors = [codes for labels in (first, second) if (codes := _codes(labels)) is not None]
        self._parts = _parts(values - self.means, factors) if len(values) > 1 else []

    @property
    def variances(self) -> np.ndarray:
        """(K,), of the means."""
        return sum((part.variance for part in self._parts), np.zeros_like(self.means))

    @property
    def freedom(self) -> np.ndarray:
        """(K,), degrees of freedom of ``variances``, by Satterthwaite's approximation; at least 1."""
        *factors, rest = self._parts
        noise = rest.variance**2 / max(rest.freedom, 1)
        for part in factors:  # whose mean square holds the rest's variance, too
            found = part.variance > _ROUND_OFF * rest.variance
            noise = noise + np.where(found, (part.variance + rest.variance) ** 2 / part.freedom, 0)
        return np.where(noise > 0, np.maximum(_ratio(self.variances**2, noise), 1), max(rest.freedom, 1))

    def intervals(self, resamples: int = RESAMPLES) -> np.ndarray:
        """Of the means at ``LEVEL``, (K, 2); NaN where there is a single pair.

        Quantiles of the resampled means, stretched by Student's t, as there may be few characters or drivers
        (Hesterberg, "What teachers should know about the bootstrap", The American Statistician, 2015).
        """
        from scipy import stats

        if not self._parts:
            return np.full((len(self.means), 2), np.nan)
        rng, drawn = np.random.default_rng(_SEED), np.zeros((resamples, len(self.means)))
        spread = np.zeros_like(self.means)
        for part in self._parts:
            levels = len(part.shares)
            weights = np.zeros((resamples, levels))
            np.add.at(
                weights, (np.arange(resamples)[:, None], rng.integers(levels, size=weights.shape)), part.shares
            )  # fmt: skip
            drawn += weights @ part.effects
            spread += (part.shares**2).sum() * (part.effects**2).mean(axis=0)
        drawn *= np.sqrt(_ratio(self.variances, spread))  # 1 but where pairs are too few to fit all effects
        upper = (1 + LEVEL) / 2
        stretch = stats.t.ppf(upper, self.freedom) / stats.norm.ppf(upper)
        return (self.means + stretch * np.quantile(drawn, [1 - upper, upper], axis=0)).T

    def sign_test(self, flips: int = FLIPS) -> np.ndarray:
        """P-values (K,) of the hypotheses that the means are 0, two-sided; NaN where there is a single pair.

        Where values are differences of two methods between which there is none, every effect may as well have the
        other sign. So signs are flipped, those of all pairs of a character together, and it is counted how often the
        mean comes as far from 0 as it is. Where pairs share nothing this is Fisher's randomisation test, and exact.
        """
        if not self._parts:
            return np.full(len(self.means), np.nan)
        rng, drawn = np.random.default_rng(_SEED), np.zeros((flips, len(self.means)))
        total, spread = self.variances, np.zeros_like(self.means)
        for part in self._parts:
            # under the hypothesis the mean itself is made of effects, of each kind in proportion to its variance
            own = _ratio(part.variance, total) if np.any(total) else float(part is self._parts[-1])
            effects = part.shares[:, None] * (part.effects + self.means * own)
            signs = rng.integers(0, 2, size=(flips, len(part.shares)), dtype=np.int8)
            drawn += (signs * 2.0 - 1) @ effects
            spread += (effects**2).sum(axis=0)
        # as the variance was found from so many degrees of freedom; without shared characters it is so already
        wanted = (total * self.freedom + self.means**2) / (self.freedom + 1)
        drawn *= np.sqrt(_ratio(wanted, spread))
        as_far = np.abs(drawn) >= np.abs(self.means) * (1 - 1e-9)
        return (1 + as_far.sum(axis=0)) / (1 + flips)


def _codes(labels: np.ndarray) -> np.ndarray | None:
    """(N,), numbers for labels; None where no pairs share one, or all the same: there is no effect to be found."""
    names, codes = np.unique(np.asarray(labels), return_inverse=True)
    return None if len(names) in (1, len(codes)) else codes


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """0 where there is nothing to divide by."""
    return np.divide(numerator, denominator, out=np.zeros_like(denominator), where=denominator > 0)


def _parts(centred: np.ndarray, factors: list[np.ndarray]) -> list[_Part]:
    """The effects of each factor and, last, the rest of each pair."""
    count = len(centred)
    fitted = _fit(centred, factors)
    rest = centred - sum((effects[codes] for codes, effects in zip(factors, fitted, strict=True)), np.zeros(1))
    freedom = count - 1 - sum(len(effects) - 1 for effects in fitted)
    parts = []
    for codes, effects, variance in zip(
        [*factors, np.arange(count)], [*fitted, rest], _variances(centred, factors), strict=True
    ):
        shares = np.bincount(codes) / count
        share = float((shares**2).sum())  # of a level's variance in that of the mean: 1 by their number, if balanced
        found = (effects**2).mean(axis=0)
        found[found <= _ROUND_OFF**2 * (centred**2).mean(axis=0)] = 0
        scale = np.sqrt(_ratio(variance, found))
        own_freedom = 1 / share - 1 if len(shares) < count else freedom
        parts.append(_Part(codes, shares, effects * scale, variance * share, own_freedom))
    return parts


def _fit(centred: np.ndarray, factors: list[np.ndarray]) -> list[np.ndarray]:
    """Least-squares effects of each factor, (levels, K), with a weighted mean of 0."""
    if not factors:
        return []
    columns = [np.eye(codes.max() + 1)[codes] for codes in factors]
    solved = np.linalg.lstsq(np.concatenate(columns, axis=1), centred, rcond=None)[0]
    effects = np.split(solved, np.cumsum([column.shape[1] for column in columns])[:-1])
    return [each - column.mean(axis=0) @ each for each, column in zip(effects, columns, strict=True)]


def _variances(centred: np.ndarray, factors: list[np.ndarray]) -> list[np.ndarray]:
    """Of each factor's effects and of the rest, (K,) each, none below 0.

    The sum of squares within the levels of each factor, and that of all pairs, are each expected to hold every variance
    so many times: as many equations as there are variances.
    """
    count, squares = len(centred), (centred**2).sum(axis=0)
    sizes = [np.bincount(codes).astype(float) for codes in factors]
    equations, sums = [], []
    for own, size in zip(factors, sizes, strict=True):
        totals = np.zeros((len(size), centred.shape[1]))
        np.add.at(totals, own, centred)
        sums.append(squares - (totals**2 / size[:, None]).sum(axis=0))
        held = []
        for other in factors:
            joint = np.zeros((len(size), other.max() + 1))
            np.add.at(joint, (own, other), 1)
            held.append(count - float((joint**2 / size[:, None]).sum()))
        equations.append([*held, count - len(size)])
    equations.append([*(count - (size**2).sum() / count for size in sizes), count - 1])
    solved = np.linalg.lstsq(np.array(equations), np.stack([*sums, squares]), rcond=None)[0]
    return list(np.maximum(solved, 0))
