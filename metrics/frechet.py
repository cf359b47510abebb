"""Frechet distance between two sets of feature vectors, each taken for a Gaussian.

Reference: Dowson and Landau, "The Frechet distance between multivariate normal distributions", Journal of Multivariate
Analysis, 1982; as the distance of sets of images, Heusel et al., "GANs trained by a two time-scale update rule converge
to a local Nash equilibrium", NeurIPS 2017.

With covariances written as A = F'F and B = G'G, tr sqrt(AB) is the sum of the singular values of FG', for any factors F
and G. So no square root of a matrix is needed, nor an eigenvalue of one that is not symmetric, and no covariance where
there are fewer vectors than dimensions: the centred vectors themselves are a factor.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from charachbench.errors import Unscored, UserError

_ROUND_OFF = 1e-13
"""Estimated share of a sum of singular values that the shorter way of finding it may miss; 80 times it was seen."""
_NEGLIGIBLE = 1e-10
"""Of the largest singular value: smaller ones have no influence."""


def checked(features: np.ndarray) -> np.ndarray:
    """Feature vectors, if they are any: a matrix with rows, of finite numbers.

    Raises:
        UserError: it is not a matrix.
        Unscored: it has no rows, or holds NaN or infinity.
    """
    if features.ndim != 2:
        raise UserError(f"features of shape {features.shape}: accepted are (vectors, dimensions)")
    if not len(features):
        raise Unscored("there are no features")
    if not np.isfinite(features).all():
        raise Unscored("the features are not finite")
    return features


@dataclass(frozen=True)
class Moments:
    """Mean and scatter of a set of vectors; those of a union of sets are the sum of theirs.

    Chan, Golub and LeVeque, "Algorithms for computing the sample variance", The American Statistician, 1983.

    Attributes:
        count: of vectors.
        mean: float64 (D,).
        scatter: float64 (D, D), sum of the outer products of the centred vectors.
    """

    count: int
    mean: np.ndarray
    scatter: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray) -> Moments:
        """Moments of feature vectors (N, D).

        Raises:
            UserError, Unscored: see ``checked``.
        """
        mean, centred = _centred(checked(features))
        return cls(len(features), mean, centred.T @ centred)

    def __add__(self, other: Moments) -> Moments:
        count = self.count + other.count
        step = other.mean - self.mean
        scatter = np.outer(step, step)  # then in place: a matrix of 2048 dimensions has 32 MB
        scatter *= self.count * other.count / count
        scatter += self.scatter
        scatter += other.scatter
        return Moments(count, self.mean + step * (other.count / count), scatter)


def pooled(arrays: Iterable[np.ndarray]) -> np.ndarray | Moments:
    """All vectors of some arrays (N, D), or, once there are more than dimensions, only their moments.

    Holds no more than some D + N vectors at a time, so ``arrays`` may load each when it is asked for.

    Raises:
        Unscored: there are none, or they are not finite.
    """
    moments: Moments | None = None
    waiting: list[np.ndarray] = []
    for array in arrays:
        waiting.append(array)
        if sum(map(len, waiting)) > array.shape[1]:
            part = Moments.of(np.concatenate(waiting))
            moments, waiting = part if moments is None else moments + part, []
    if not waiting:
        if moments is None:
            raise Unscored("there are no features")
        return moments
    rest = np.concatenate(waiting)
    return rest if moments is None else moments + Moments.of(rest)


def frechet_distance(x: np.ndarray | Moments, y: np.ndarray | Moments) -> float:
    """|mean x - mean y|^2 + tr(A + B - 2 sqrt(AB)), with the unbiased covariances A and B.

    Computed in float64. The distance of two sets from the same distribution is above 0, more so the fewer they are:
    compare only distances over as many vectors.

    Args:
        x: feature vectors (N, D) of any floating point type, or their moments.
        y: likewise (M, D).

    Returns:
        at least 0, in squared units of the features.

    Raises:
        UserError: the dimensions differ.
        Unscored: a set has a single vector, thus no covariance, or features are not finite.
    """
    fewest, (mean_x, factor_x), (mean_y, factor_y) = _factors(x, y)
    overlap = _sum_of_singular_values(factor_x @ factor_y.T, rank=min(fewest - 1, len(factor_x), len(factor_y)))
    distance = _squared(mean_x - mean_y) + _squared(factor_x) + _squared(factor_y) - 2 * overlap
    # It is a sum of squares on paper (the optimal transport between the Gaussians): below 0 is round-off of the traces.
    return max(0.0, distance)


@dataclass(frozen=True)
class Influence:
    """How the distance moves where a vector of one set weighs more: its influence function, to first order.

    Of vectors z about their mean it is a quadratic form, z'(I - T)z, and linear in the difference of means. T is the
    optimal transport between the two Gaussians (Olkin and Pukelsheim, "The distance between two random vectors with
    given dispersion matrices", Linear Algebra and its Applications, 1982), here as R'R.
    """

    count: int
    mean: np.ndarray
    step: np.ndarray
    root: np.ndarray
    offset: float

    def of(self, features: np.ndarray) -> np.ndarray:
        """Of vectors (N, D) of the set, (N,); 0 on average over all of the set."""
        z = features - self.mean
        quadratic = np.einsum("nd,nd->n", z, z) - ((z @ self.root.T) ** 2).sum(axis=1)
        result: np.ndarray = 2 * z @ self.step + quadratic * (self.count / (self.count - 1)) - self.offset
        return result


def influences(x: np.ndarray | Moments, y: np.ndarray | Moments) -> tuple[Influence, Influence]:
    """Of the vectors of ``x`` and of ``y`` on ``frechet_distance(x, y)``; arguments and errors are the same."""
    _, (mean_x, factor_x), (mean_y, factor_y) = _factors(x, y)
    left, values, right = np.linalg.svd(factor_x @ factor_y.T, full_matrices=False)
    kept = values > _NEGLIGIBLE * values.max(initial=0)
    roots = np.sqrt(values[kept])[:, None]
    overlap = values.sum()
    return (
        Influence(_shape(x)[0], mean_x, mean_x - mean_y, right[kept] @ factor_y / roots, _squared(factor_x) - overlap),
        Influence(_shape(y)[0], mean_y, mean_y - mean_x, left.T[kept] @ factor_x / roots, _squared(factor_y) - overlap),
    )


def _factors(
    x: np.ndarray | Moments, y: np.ndarray | Moments
) -> tuple[int, tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """How many vectors the smaller set has, and of each what ``_factor`` gives."""
    (count_x, dimensions), (count_y, others) = _shape(x), _shape(y)
    if dimensions != others:
        raise UserError(f"features of {dimensions} and of {others} dimensions: accepted are equal ones")
    fewest = min(count_x, count_y)
    if fewest < 2:
        raise Unscored("a single feature vector has no covariance: at least 2 are needed on both sides")
    return fewest, _factor(x, fewest), _factor(y, fewest)


def _shape(side: np.ndarray | Moments) -> tuple[int, int]:
    count, dimensions = (side.count, len(side.mean)) if isinstance(side, Moments) else checked(side).shape
    return count, dimensions


def _centred(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (D,) and differences to it (N, D), float64."""
    features = features.astype(np.float64)
    mean = features.mean(axis=0)
    features -= mean
    return mean, features


def _squared(values: np.ndarray) -> float:
    return float(np.vdot(values, values))


def _factor(side: np.ndarray | Moments, fewest: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean (D,), and a matrix (K, D) whose product with itself, F'F, is the covariance.

    Where one side has no more vectors than dimensions, the other's many make FG' no larger than its covariance would.
    """
    if not isinstance(side, Moments):
        count, dimensions = side.shape
        if fewest <= dimensions:
            mean, centred = _centred(side)
            return mean, centred / np.sqrt(count - 1)
        side = Moments.of(side)
    return side.mean, _cholesky(side.scatter / (side.count - 1))


def _cholesky(covariance: np.ndarray) -> np.ndarray:
    """Cholesky factor (D, D) or, of a covariance without full rank, that with pivoting, (rank, D)."""
    from scipy.linalg.lapack import dpstrf

    try:
        factor: np.ndarray = np.linalg.cholesky(covariance).T  # a third of the time of the other
    except np.linalg.LinAlgError:
        triangle, pivots, rank, _ = dpstrf(covariance.T)  # LAPACK lays it out transposed, which is the same
        factor = np.empty((rank, len(covariance)))
        factor[:, pivots - 1] = np.triu(triangle)[:rank]
    return factor


def _sum_of_singular_values(matrix: np.ndarray, rank: int) -> float:
    """Of a matrix of at most such a rank (centring costs every set of vectors one).

    Singular values are roots of the eigenvalues of the product with the transpose, found in half the time. An error in
    an eigenvalue weighs more the smaller its root, and roots near 0 are lost: where that adds up to anything, singular
    values are found as such. The errors are of machine precision times the product's diagonal entry of that rank: one
    of pivoted factors is graded, and gives away its small eigenvalues as precisely as its large ones.
    """
    if not matrix.size:
        return 0.0
    if matrix.shape[0] > matrix.shape[1]:
        matrix = matrix.T
    product = matrix @ matrix.T
    squares = np.linalg.eigvalsh(product)[-rank:]
    if squares[0] > 0:
        values = np.sqrt(squares)
        errors = np.finfo(np.float64).eps * np.sort(product.diagonal())[-rank:]
        if (errors / (2 * values)).sum() <= _ROUND_OFF * values.sum():
            return float(values.sum())
    return float(np.linalg.svd(matrix, compute_uv=False).sum())
