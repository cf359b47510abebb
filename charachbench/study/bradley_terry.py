"""Strengths of methods from comparisons of two at a time (Bradley and Terry, Biometrika, 1952)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import combinations

import numpy as np


@dataclass(frozen=True)
class Strengths:
    """Of K methods, from N comparisons.

    Attributes:
        values: (K,), log odds of winning against a method of strength 0, with a mean of 0.
        covariance: (K, K), of ``values`` by the information matrix: as if all comparisons were independent.
        influences: (N, K), with a mean of ``values``: how far each comparison moves them. What the mean of N such
            values varies by is, for many of them, what ``values`` vary by, also where raters and cases are shared.
    """

    values: np.ndarray
    covariance: np.ndarray
    influences: np.ndarray


def fit(left: np.ndarray, right: np.ndarray, won: np.ndarray, methods: int) -> Strengths:
    """Maximum likelihood after one more tie between each two methods, which keeps who always wins finite.

    Between two methods these ties are Jeffreys' prior (Firth, "Bias reduction of maximum likelihood estimates",
    Biometrika, 1993).

    Args:
        left: int (N,), one of the methods that were compared.
        right: int (N,), the other.
        won: (N,), 1 where the left one won, 0 where the right one did, 0.5 for a tie.
        methods: K, at least 2.
    """
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM
    from statsmodels.tools.sm_exceptions import PerfectSeparationWarning

    ties = np.array(list(combinations(range(methods), 2)))
    contrasts = np.eye(methods)[np.r_[left, ties[:, 0]]] - np.eye(methods)[np.r_[right, ties[:, 1]]]
    outcomes = np.r_[won, np.full(len(ties), 0.5)]
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", PerfectSeparationWarning
        )  # of ties alone, which say that there is no difference
        fitted = GLM(outcomes, contrasts[:, 1:], family=Binomial()).fit()
    centred = np.eye(methods)[:, 1:] - 1 / methods  # the first one's strength is 0 in the fit
    values, covariance = centred @ fitted.params, centred @ fitted.cov_params() @ centred.T
    surprises = contrasts * (outcomes - fitted.fittedvalues)[:, None]
    moves = len(won) * surprises[: len(won)] @ covariance
    return Strengths(values, covariance, moves - moves.mean(axis=0) + values)
