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
FLIPS = 4999
LEAST = 5
"""Levels of a factor that can tell how its levels vary (Gelman and Hill, "Data analysis using regression", 2007)."""
_SEED = 0
_ROUND_OFF = 1e-9


@dataclass(frozen=True)
class _Factor:
    """What pairs share: characters, or drivers.

    Attributes:
        codes: (N,), of each pair which level it has.
    """

    codes: np.ndarray

    @property
    def levels(self) -> int:
        """How many."""
        return int(self.codes.max()) + 1

    @property
    def sampled(self) -> bool:
        """Whether there are enough levels to tell how they vary."""
        return self.levels >= LEAST


@dataclass(frozen=True)
class _Part:
    """One of those that values are made of and that another benchmark would have others of.

    Attributes:
        shares: (L,), of all pairs the share that each level has; of the rest, each pair its own.
        effects: (L, K), their mean square being the variance that is estimated without bias.
        variance: (K,), what they add to the variance of the mean.
        freedom: degrees of freedom of the mean square that ``variance`` was found from.
    """

    shares: np.ndarray
    effects: np.ndarray
    variance: np.ndarray
    freedom: float


class Crossed:
    """Means of K quantities over the same N pairs.

    Fewer than ``LEAST`` characters, or drivers, cannot tell how they vary: they are taken as given, and what is said
    holds for them alone. Where that goes for both, nothing can be said.

    Args:
        values: (N, K), finite.
        first: (N,), of each pair its character, or whatever else pairs share.
        second: (N,), its driver, likewise.

    Attributes:
        means: (K,).
        resampled: whether the levels of the first factor are taken for a sample, and those of the second.
    """

    def __init__(self, values: np.ndarray, first: np.ndarray, second: np.ndarray) -> None:
        values = np.asarray(values, dtype=np.float64)
        self.means = values.mean(axis=0)
        factors = [_Factor(np.unique(np.asarray(labels), return_inverse=True)[1]) for labels in (first, second)]
        self.resampled = tuple(factor.sampled for factor in factors)
        # no effect can be told from the rest where every pair has a level of its own
        told = [factor for factor in factors if 1 < factor.levels < len(values)]
        self._parts = _parts(values - self.means, told) if any(self.resampled) else []

    @property
    def variances(self) -> np.ndarray:
        """(K,), of the means."""
        return sum((part.variance for part in self._parts), np.zeros_like(self.means))

    @property
    def freedom(self) -> np.ndarray:
        """(K,), degrees of freedom of ``variances``, by Satterthwaite's approximation; at least 1.

        A factor's mean square holds the variance of the rest, too, which is then in the sum once for each factor.
        """
        *factors, rest = self._parts
        noise, counted = np.zeros_like(self.means), np.zeros_like(self.means)
        for part in factors:
            found = part.variance > _ROUND_OFF * rest.variance
            noise += np.where(found, (part.variance + rest.variance) ** 2 / part.freedom, 0)
            counted += found
        noise += (counted - 1) ** 2 * rest.variance**2 / max(rest.freedom, 1)
        return np.where(noise > 0, np.maximum(_ratio(self.variances**2, noise), 1), max(rest.freedom, 1))

    def intervals(self, resamples: int = RESAMPLES) -> np.ndarray:
        """Of the means at ``LEVEL``, (K, 2); NaN where there are too few characters and drivers.

        Quantiles of the resampled means, stretched by Student's t, as there may be few characters or drivers
        (Hesterberg, "What teachers should know about the bootstrap", The American Statistician, 2015).
        """
        from scipy import special

        if not self._parts:
            return np.full((len(self.means), 2), np.nan)
        rng, drawn = np.random.default_rng(_SEED), np.zeros((resamples, len(self.means)))
        spread = np.zeros_like(self.means)
        for part in self._parts:
            levels = len(part.shares)
            # how much each level weighs: the shares of those in whose place it was drawn
            places = rng.integers(levels, size=(resamples, levels)) + levels * np.arange(resamples)[:, None]
            weights = np.bincount(places.ravel(), np.tile(part.shares, resamples), resamples * levels)
            weights = weights.reshape(resamples, levels)
            drawn += weights @ part.effects
            spread += (part.shares**2).sum() * (part.effects**2).mean(axis=0)
        drawn *= np.sqrt(_ratio(self.variances, spread))  # 1 but where pairs are too few to fit all effects
        upper = (1 + LEVEL) / 2
        stretch = special.stdtrit(self.freedom, upper) / special.ndtri(upper)  # quantiles of t, and of the normal
        return (self.means + stretch * np.quantile(drawn, [1 - upper, upper], axis=0)).T

    def sign_test(self, flips: int = FLIPS) -> np.ndarray:
        """P-values (K,) of the hypotheses that the means are 0, two-sided; NaN where ``intervals`` are.

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
            bits = np.unpackbits(rng.integers(256, size=(flips, -(-len(effects) // 8)), dtype=np.uint8), axis=1)
            drawn += (1 - 2.0 * bits[:, : len(effects)]) @ effects
            spread += (effects**2).sum(axis=0)
        # as the variance was found from so many degrees of freedom; without shared characters it is so already
        wanted = (total * self.freedom + self.means**2) / (self.freedom + 1)
        drawn *= np.sqrt(_ratio(wanted, spread))
        as_far = np.abs(drawn) >= np.abs(self.means) * (1 - 1e-9)
        return (1 + as_far.sum(axis=0)) / (1 + flips)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """0 where there is nothing to divide by."""
    return np.divide(numerator, denominator, out=np.zeros_like(denominator), where=denominator > 0)


def _parts(centred: np.ndarray, factors: list[_Factor]) -> list[_Part]:
    """The effects of each factor that is a sample and, last, the rest of each pair."""
    count = len(centred)
    fitted, variances = _fit(centred, factors), _variances(centred, factors)
    rest = centred - sum((effects[f.codes] for f, effects in zip(factors, fitted, strict=True)), np.zeros(1))
    freedom = count - 1 - sum(factor.levels - 1 for factor in factors)
    parts = [
        _part(effects, np.bincount(factor.codes) / count, variance)
        for factor, effects, variance in zip(factors, fitted, variances, strict=False)
        if factor.sampled
    ]
    return [*parts, _part(rest, np.full(count, 1 / count), variances[-1], freedom)]


def _part(effects: np.ndarray, shares: np.ndarray, variance: np.ndarray, freedom: float | None = None) -> _Part:
    """With the effects scaled to their variance."""
    mean_square = (effects**2).mean(axis=0)
    mean_square[mean_square <= _ROUND_OFF * variance] = 0
    share = float((shares**2).sum())  # of a level's variance in that of the mean: 1 by their number, if balanced
    scaled = effects * np.sqrt(_ratio(variance, mean_square))
    return _Part(shares, scaled, variance * share, 1 / share - 1 if freedom is None else freedom)


def _fit(centred: np.ndarray, factors: list[_Factor]) -> list[np.ndarray]:
    """Least-squares effects of each factor, (levels, K), with a weighted mean of 0."""
    if not factors:
        return []
    columns = np.concatenate([np.eye(factor.levels)[factor.codes] for factor in factors], axis=1)
    solved = np.linalg.lstsq(columns.T @ columns, columns.T @ centred, rcond=None)[0]
    effects = np.split(solved, np.cumsum([factor.levels for factor in factors])[:-1])
    return [
        each - np.bincount(factor.codes) @ each / len(centred) for each, factor in zip(effects, factors, strict=True)
    ]


def _variances(centred: np.ndarray, factors: list[_Factor]) -> list[np.ndarray]:
    """Of each factor's effects and, last, of the rest, (K,) each, none below 0.

    The sum of squares within the levels of each factor, and that of all pairs, are each expected to hold every variance
    so many times: as many equations as there are variances.
    """
    count, squares = len(centred), (centred**2).sum(axis=0)
    sizes = [np.bincount(factor.codes).astype(float) for factor in factors]
    equations, sums = [], []
    for own, size in zip(factors, sizes, strict=True):
        totals = np.zeros((own.levels, centred.shape[1]))
        np.add.at(totals, own.codes, centred)
        sums.append(squares - (totals**2 / size[:, None]).sum(axis=0))
        held = []
        for other in factors:
            joint = np.zeros((own.levels, other.levels))
            np.add.at(joint, (own.codes, other.codes), 1)
            held.append(count - float((joint**2 / size[:, None]).sum()))
        equations.append([*held, count - own.levels])
    equations.append([*(count - (size**2).sum() / count for size in sizes), count - 1])
    solved = np.linalg.lstsq(np.array(equations), np.stack([*sums, squares]), rcond=None)[0]
    return list(np.maximum(solved, 0))
