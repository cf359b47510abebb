import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric
from torchmetrics.image.fid import _compute_fid

from charachbench.errors import Unscored, UserError
from metrics.frechet import Moments, frechet_distance, influences, pooled

DIMENSIONS = 24


def features(count: int, seed: int, dimensions: int = DIMENSIONS, decay: float = 1.0) -> np.ndarray:
    """Correlated, of a spectrum that falls off as a power, about a mean of their own."""
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.normal(size=(dimensions, dimensions)))
    return rng.normal(size=(count, dimensions)) * np.arange(1, dimensions + 1) ** -decay @ rotation + rng.normal()


def covariance(x: np.ndarray) -> np.ndarray:
    return np.cov(x, rowvar=False)


def by_sqrtm(x: np.ndarray, y: np.ndarray) -> float:
    a, b = covariance(x), covariance(y)
    step = x.mean(axis=0) - y.mean(axis=0)
    return float(step @ step + np.trace(a) + np.trace(b) - 2 * np.trace(sqrtm(a @ b)).real)


def by_torchmetrics(x: np.ndarray, y: np.ndarray) -> float:
    moments = [(torch.tensor(side.mean(axis=0)), torch.tensor(covariance(side))) for side in (x, y)]
    return float(_compute_fid(*moments[0], *moments[1]))


def by_torch_fidelity(x: np.ndarray, y: np.ndarray) -> float:
    statistics = [fid_features_to_statistics(torch.tensor(side)) for side in (x, y)]
    return float(fid_statistics_to_metric(*statistics, verbose=False)[KEY_METRIC_FID])


REFERENCES = (by_sqrtm, by_torchmetrics, by_torch_fidelity)


@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize(("n", "m"), [(200, 150), (DIMENSIONS + 1, DIMENSIONS + 1), (60, 300)])
def test_agrees_where_covariances_have_full_rank(reference, n: int, m: int, scale: float) -> None:
    x, y = scale * features(n, 1), scale * features(m, 2)
    assert frechet_distance(x, y) == pytest.approx(reference(x, y), rel=1e-7)


@pytest.mark.parametrize("reference", REFERENCES[1:])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize(("n", "m"), [(10, 12), (10, 200), (200, 10), (2, 2), (DIMENSIONS, DIMENSIONS), (3, 500)])
def test_agrees_where_covariances_lack_rank(reference, n: int, m: int, scale: float) -> None:
    """Both libraries take roots of eigenvalues that are noise around zero, so they are right to some 1e-7 only."""
    x, y = scale * features(n, 1), scale * features(m, 2)
    assert frechet_distance(x, y) == pytest.approx(reference(x, y), rel=1e-6)


@pytest.mark.parametrize("reference", REFERENCES[1:])
def test_agrees_where_dimensions_are_dead_or_repeated(reference) -> None:
    x, y = features(200, 1), features(300, 2)
    x[:, :4], y[:, 2:6] = 0.5, 3.0
    x[:, 10:14], y[:, 10:14] = x[:, 20:24], 2 * y[:, 20:24]
    assert frechet_distance(x, y) == pytest.approx(reference(x, y), rel=1e-6)


def exact(count: int, deviations: np.ndarray, seed: int) -> np.ndarray:
    """Features with mean 0 and uncorrelated dimensions of just these standard deviations, in a rotated basis."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(count, len(deviations)))
    orthonormal, _ = np.linalg.qr(noise - noise.mean(axis=0))
    rotation, _ = np.linalg.qr(np.random.default_rng(99).normal(size=(len(deviations),) * 2))
    return orthonormal * np.sqrt(count - 1) * deviations @ rotation


@pytest.mark.parametrize("smallest", [1e-1, 1e-4, 1e-7, 1e-12])
@pytest.mark.parametrize("count", [DIMENSIONS + 1, 400])
def test_of_gaussians_with_common_axes(smallest: float, count: int) -> None:
    """Sum of the squared differences of the standard deviations, well or ill conditioned."""
    a = np.geomspace(1, smallest, DIMENSIONS)
    b = a * np.linspace(0.5, 2, DIMENSIONS)
    x, y = exact(count, a, 1), exact(count, b, 2) + 0.25
    expected = ((a - b) ** 2).sum() + DIMENSIONS * 0.25**2
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(Moments.of(x), Moments.of(y)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("noise", [0, 3e-4, 0.01])
def test_frames_that_nearly_repeat(noise: float) -> None:
    """Hundreds of singular values are next to zero, where roots of eigenvalues would add up to a wrong distance."""
    x = np.repeat(features(20, 1, 400), 20, axis=0)
    x = 1e3 * (x + noise * np.random.default_rng(0).normal(size=x.shape))
    shift = np.full(400, 0.05)
    assert frechet_distance(x, x + shift) == pytest.approx(shift @ shift, rel=1e-6)


@pytest.mark.parametrize(("n", "m"), [(8, 9), (9, 200), (200, 150)])
class TestInvariances:
    def test_of_a_set_and_itself(self, n: int, m: int) -> None:
        for count in (n, m):
            x = features(count, 1)
            assert 0 <= frechet_distance(x, x.copy()) <= 1e-12 * x.var(axis=0).sum()

    def test_of_a_shifted_copy(self, n: int, m: int) -> None:
        x, shift = features(n, 1), np.linspace(-1, 2, DIMENSIONS)
        assert frechet_distance(x, x + shift) == pytest.approx(shift @ shift, rel=1e-10)

    def test_a_far_common_mean_is_nothing(self, n: int, m: int) -> None:
        x, y = features(n, 1), features(m, 2)
        assert frechet_distance(x + 1e6, y + 1e6) == pytest.approx(frechet_distance(x, y), rel=1e-7)

    def test_symmetry(self, n: int, m: int) -> None:
        x, y = features(n, 1), features(m, 2)
        assert frechet_distance(x, y) == pytest.approx(frechet_distance(y, x), rel=1e-12)

    def test_scale(self, n: int, m: int) -> None:
        x, y = features(n, 1), features(m, 2)
        assert frechet_distance(3 * x, 3 * y) == pytest.approx(9 * frechet_distance(x, y), rel=1e-10)

    def test_rotation(self, n: int, m: int) -> None:
        x, y = features(n, 1), features(m, 2)
        rotation, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(DIMENSIONS, DIMENSIONS)))
        assert frechet_distance(x @ rotation, y @ rotation) == pytest.approx(frechet_distance(x, y), rel=1e-10)

    def test_order(self, n: int, m: int) -> None:
        x, y = features(n, 1), features(m, 2)
        assert frechet_distance(x[::-1], y) == pytest.approx(frechet_distance(x, y), rel=1e-12)

    def test_moments_tell_the_same(self, n: int, m: int) -> None:
        x, y = features(n, 1), features(m, 2)
        expected = frechet_distance(x, y)
        for a, b in ((Moments.of(x), y), (x, Moments.of(y)), (Moments.of(x), Moments.of(y))):
            assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)

    def test_any_floating_point_type(self, n: int, m: int) -> None:
        """Arithmetic is in double precision, whatever the features are kept in."""
        x, y = features(n, 1).astype(np.float16), features(m, 2).astype(np.float32)
        assert frechet_distance(x, y) == frechet_distance(x.astype(np.float64), y.astype(np.float64))
        assert x.dtype == np.float16


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=8), st.randoms(use_true_random=False), st.integers(1, 20))
def test_moments_of_parts_make_those_of_the_whole(sizes: list[int], random, dimensions: int) -> None:
    x = features(sum(sizes), len(sizes), dimensions) + 100
    parts = [Moments.of(part) for part in np.split(x, np.cumsum(sizes)[:-1])]
    while len(parts) > 1:  # any two of them, in any order
        first, second = (parts.pop(random.randrange(len(parts))) for _ in range(2))
        parts.append(first + second)
    (found,) = parts
    scatter = (x - x.mean(axis=0)).T @ (x - x.mean(axis=0))
    assert found.count == len(x)
    assert found.mean == pytest.approx(x.mean(axis=0), rel=1e-12)
    assert np.abs(found.scatter - scatter).max() <= 1e-10 * max(np.abs(scatter).max(), 1e-3)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_pooling_is_stacking(sizes: list[int]) -> None:
    x, y = features(sum(sizes), 1), features(50, 2)
    pool = pooled(iter(np.split(x, np.cumsum(sizes)[:-1])))
    assert isinstance(pool, Moments) == (len(x) > DIMENSIONS)
    if len(x) > 1:
        assert frechet_distance(pool, y) == pytest.approx(frechet_distance(x, y), rel=1e-6)


def test_pooling_holds_few_vectors_at_a_time() -> None:
    alive = []

    def load():
        import weakref

        for index in range(100):
            array = features(5, index)
            alive.append(weakref.ref(array))
            yield array
            del array
            assert sum(reference() is not None for reference in alive) <= DIMENSIONS // 5 + 1

    pool = pooled(load())
    assert isinstance(pool, Moments)
    assert pool.count == 500


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_not_finite(bad: float) -> None:
    x, y = features(30, 1), features(30, 2)
    y[3, 4] = bad
    for make in (frechet_distance, lambda a, b: frechet_distance(pooled([a]), pooled([b]))):
        with pytest.raises(Unscored, match="not finite"):
            make(x, y)


@pytest.mark.parametrize(("n", "m"), [(1, 50), (50, 1), (1, 1)])
def test_a_single_vector(n: int, m: int) -> None:
    with pytest.raises(Unscored, match="single feature vector has no covariance"):
        frechet_distance(features(n, 1), features(m, 2))


@pytest.mark.parametrize("counts", [(5, 5), (50, 50), (5, 50)])
def test_constant_features(counts: tuple[int, int]) -> None:
    x, y = (np.ones((count, DIMENSIONS)) for count in counts)
    assert frechet_distance(x, 3 * y) == pytest.approx(4 * DIMENSIONS)
    assert frechet_distance(x, y) == 0


def test_no_features() -> None:
    with pytest.raises(Unscored, match="no features"):
        frechet_distance(np.empty((0, 3)), features(5, 1, 3))
    with pytest.raises(Unscored, match="no features"):
        pooled([])


def test_other_dimensions() -> None:
    with pytest.raises(UserError, match="features of 3 and of 4 dimensions"):
        frechet_distance(features(9, 1, 3), features(9, 1, 4))
    with pytest.raises(UserError, match=r"accepted are \(vectors, dimensions\)"):
        frechet_distance(np.ones(3), np.ones(3))


def weighted_distance(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> float:
    """Where the vectors of ``x`` weigh so much, by roots of symmetric matrices."""

    def moments(side: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean = weights @ side / weights.sum()
        return mean, (weights[:, None] * (side - mean)).T @ (side - mean) / weights.sum() * len(side) / (len(side) - 1)

    def root(matrix: np.ndarray) -> np.ndarray:
        values, vectors = np.linalg.eigh(matrix)
        return vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T

    (mean_x, a), (mean_y, b) = moments(x, weights), moments(y, np.ones(len(y)))
    overlap = np.linalg.svd(root(a) @ root(b), compute_uv=False).sum()
    return float((mean_x - mean_y) @ (mean_x - mean_y) + np.trace(a) + np.trace(b) - 2 * overlap)


@pytest.mark.parametrize(("n", "m"), [(200, 150), (60, 300), (10, 12), (10, 200), (200, 10)])
def test_influences_are_the_derivatives_by_the_weights_of_vectors(n: int, m: int) -> None:
    """Where covariances lack rank the numerical derivative is right to some 1e-3 only."""
    x, y = features(n, 1, decay=0.3), features(m, 2, decay=0.3)
    scale = x.var(axis=0).sum()
    for side, other, influence in ((x, y, influences(x, y)[0]), (y, x, influences(x, y)[1])):
        found = influence.of(side)
        assert found.mean() == pytest.approx(0, abs=1e-10 * scale)
        for index in range(3):
            step = 1e-5 * np.eye(len(side))[index]
            higher, lower = (weighted_distance(side, other, 1 + sign * step) for sign in (1, -1))
            assert found[index] == pytest.approx((higher - lower) / 2e-5 * len(side), rel=1e-3, abs=2e-3 * scale)


@pytest.mark.parametrize(("n", "m"), [(200, 150), (60, 300)])
def test_influences_are_the_same_from_moments(n: int, m: int) -> None:
    x, y = features(n, 1), features(m, 2)
    for plain, by_moments in zip(influences(x, y), influences(Moments.of(x), Moments.of(y)), strict=True):
        assert plain.of(x) == pytest.approx(by_moments.of(x), rel=1e-6, abs=1e-9)
