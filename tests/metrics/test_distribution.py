from typing import ClassVar, Literal

import numpy as np
import pytest

from charachbench.errors import Unscored, UserError
from charachbench.leaderboard.crossed import Crossed
from charachbench.protocols import Metric, References, Sample
from charachbench.video import Video
from metrics.backbones.base import Backbone
from metrics.distribution import FrechetDistance, KernelDistance
from metrics.frechet import frechet_distance
from metrics.kernel import kernel_distance
from tests.metrics import samples

Class = type[FrechetDistance] | type[KernelDistance]
CLASSES = (FrechetDistance, KernelDistance)
DIMENSIONS = 6


class MeanColours(Backbone):
    """Mean and deviation of each colour, and how often it was asked."""

    def __init__(self, weights: str = "random", batch: int = 4) -> None:
        self.weights, self.batch, self.asked = weights, batch, 0

    @property
    def random(self) -> bool:
        return self.weights == "random"

    def protocol(self) -> dict[str, str | int | float]:
        return {"backbone": "colours", "weights": self.weights, "input": "as it is"}

    def build(self, device: str) -> object:
        return device

    def embed(self, frames: np.ndarray) -> np.ndarray:
        self.asked += 1
        axes = tuple(range(1, frames.ndim - 1))
        return np.concatenate((frames.mean(axes), frames.std(axes)), axis=1).astype(np.float32)


class ClipColours(MeanColours):
    takes_clips: ClassVar[bool] = True


class Broken(MeanColours):
    def embed(self, frames: np.ndarray) -> np.ndarray:
        return np.full((len(frames), 3), np.nan, np.float32)


def video(seed: int, frames: int = 10, level: float = 128) -> Video:
    """Noise about a colour that wanders."""
    rng = np.random.default_rng(seed)
    colours = level + rng.normal(size=(1, 3)) * 10 + rng.normal(size=(frames, 3)) * 10
    spread = rng.uniform(5, 25, (frames, 1, 1, 3))
    pixels = colours[:, None, None] + rng.normal(size=(frames, 12, 12, 3)) * spread
    return Video(pixels.clip(0, 255).astype(np.uint8), 25)


def pairs(count: int = 5) -> list[Sample]:
    return [samples.sample(video(2 * n, 10 + n, 120), truth=video(2 * n + 1, 10 + n)) for n in range(count)]


def score(metric: FrechetDistance | KernelDistance, chosen: list[Sample]) -> float:
    """As the harness does: each reference once."""
    kept = {kept.key: kept.array for kept in (metric.reference(sample) for sample in chosen) if kept is not None}
    return metric.summarise([metric.extract(sample) for sample in chosen], list(kept.values()))


def expected(metric: Class, made: list[np.ndarray], true: list[np.ndarray]) -> float:
    x, y = (MeanColours().embed(np.concatenate(frames)) for frames in (made, true))
    return frechet_distance(x, y) if metric is FrechetDistance else kernel_distance(x, y)


@pytest.mark.parametrize("metric", CLASSES)
@pytest.mark.parametrize("count", [1, 5])
def test_is_the_distance_over_the_frames_of_all_pairs(metric: Class, count: int) -> None:
    chosen = pairs(count)
    made, true = [s.video.frames for s in chosen], [s.truth_video.frames for s in chosen]
    assert score(metric(MeanColours()), chosen) == pytest.approx(expected(metric, made, true), rel=1e-9)


@pytest.mark.parametrize("metric", CLASSES)
def test_chosen_frames(metric: Class) -> None:
    chosen = pairs()
    ends = [0, -1]
    made, true = [s.video.frames[ends] for s in chosen], [s.truth_video.frames[ends] for s in chosen]
    assert score(metric(MeanColours(), frames=2), chosen) == pytest.approx(expected(metric, made, true), rel=1e-9)


def test_clips() -> None:
    sample = samples.sample(video(0, 23), truth=video(1, 23))
    metric = FrechetDistance(ClipColours(), length=3, stride=2)
    frames = sample.video.frames
    clips = [frames[start : start + 5 : 2] for start in (0, 5, 10, 15)]
    assert metric.extract(sample) == pytest.approx(np.concatenate([MeanColours().embed(c[None]) for c in clips]))
    fewer = FrechetDistance(ClipColours(), length=3, stride=2, clips=2)
    assert (fewer.extract(sample) == metric.extract(sample)[[0, 3]]).all()
    with pytest.raises(Unscored, match="needs 16 frames, the video has 15"):
        FrechetDistance(ClipColours()).extract(samples.sample(video(0, 15), truth=video(1, 15)))


def test_identical_videos_have_no_distance() -> None:
    for frames in (2, 30):  # fewer and more than dimensions
        same = samples.sample(video(0, frames), truth=video(0, frames))
        assert score(FrechetDistance(MeanColours()), [same]) <= 1e-9
        other = samples.sample(video(0, frames), truth=video(1, frames))
        assert score(FrechetDistance(MeanColours()), [other]) > 1


def test_the_same_distribution_has_no_kernel_distance_and_another_has() -> None:
    metric = KernelDistance(MeanColours())
    same = [samples.sample(video(2 * n, 10), truth=video(2 * n + 1, 10)) for n in range(40)]
    other = [samples.sample(video(2 * n, 10, 90), truth=video(2 * n + 1, 10)) for n in range(40)]
    assert abs(score(metric, same)) < 0.05 * score(metric, other)


@pytest.mark.parametrize("metric", [*CLASSES, lambda features: KernelDistance(features, subsets=5, subset_size=20)])
def test_neither_order_nor_splitting_matters(metric) -> None:
    made, true = (video(seed, 60) for seed in (0, 1))
    whole = score(metric(MeanColours()), [samples.sample(made, truth=true)])
    parts = [
        samples.sample(Video(made.frames[part], 25), truth=Video(true.frames[part], 25))
        for part in (slice(40, 60), slice(0, 1), slice(7, 40), slice(1, 7))
    ]
    assert score(metric(MeanColours()), parts) == pytest.approx(whole, rel=1e-6)
    assert score(metric(MeanColours()), parts[::-1]) == pytest.approx(whole, rel=1e-6)


def test_each_reference_counts_once() -> None:
    """One driver of three results: its frames are not three times as many, and are embedded once for all methods."""
    driver, references = video(9, 20), References()
    chosen = [samples.sample(video(n, 20), driver_video=driver, image=video(n).frames[0]) for n in range(3)]
    for sample in chosen:
        sample.references = references
    backbone = MeanColours()
    metric = KernelDistance(backbone, reference="driver")
    kept = [metric.reference(sample) for sample in chosen]
    assert backbone.asked == 1
    assert len({one.key for one in kept if one is not None}) == 1
    made = np.concatenate([sample.video.frames for sample in chosen])
    assert score(metric, chosen) == pytest.approx(expected(KernelDistance, [made], [driver.frames]), rel=1e-9)


@pytest.mark.parametrize("reference", ["truth", "driver", "character"])
def test_what_is_compared_with(reference: Literal["truth", "driver", "character"]) -> None:
    image = video(3).frames[0]
    sample = samples.sample(video(0), truth=video(1, 7), driver_video=video(2, 8), image=image)
    metric = FrechetDistance(MeanColours(), reference)
    kept = metric.reference(sample)
    frames = {"truth": video(1, 7).frames, "driver": video(2, 8).frames, "character": image[None]}[reference]
    assert kept is not None
    assert (kept.array == MeanColours().embed(frames)).all()
    assert metric.needs == ({"truth"} if reference == "truth" else set())
    assert metric.protocol()["reference"] == reference


def test_references_differ_by_all_that_decides_them() -> None:
    sample = samples.sample(video(0, 40), truth=video(1, 40), driver_video=video(2, 40))
    metrics = [
        FrechetDistance(MeanColours()),
        FrechetDistance(MeanColours(), "driver"),
        FrechetDistance(MeanColours(), "character"),
        FrechetDistance(MeanColours(), frames=3),
        FrechetDistance(MeanColours("other")),
        FrechetDistance(ClipColours()),
        FrechetDistance(ClipColours(), length=8),
        FrechetDistance(ClipColours(), stride=2),
        FrechetDistance(ClipColours(), clips=1),
    ]
    keys = [kept.key for kept in (metric.reference(sample) for metric in metrics) if kept is not None]
    assert len(set(keys)) == len(metrics)
    kept = metrics[0].reference(samples.sample(video(0, 40), truth=video(5, 40)))
    assert kept is not None
    assert kept.key not in keys
    same = KernelDistance(MeanColours(batch=1), subsets=3).reference(sample)
    assert same is not None
    assert same.key == keys[0]


def test_features_are_shared() -> None:
    sample = samples.sample(video(0), truth=video(1))
    backbone = MeanColours()
    metrics = FrechetDistance(backbone), KernelDistance(backbone, "driver", subsets=2), FrechetDistance(MeanColours())
    assert all(metric.extract(sample) is metrics[0].extract(sample) for metric in metrics)
    assert backbone.asked == 1
    assert all(metric.extraction() == metrics[0].extraction() for metric in metrics)
    assert FrechetDistance(backbone, frames=3).extraction() != metrics[0].extraction()
    assert len(FrechetDistance(backbone, frames=3).extract(sample)) == 3


def test_protocol_and_random() -> None:
    frames = KernelDistance(MeanColours(), frames=16, subsets=9, subset_size=50, seed=1)
    assert frames.protocol() == {
        "backbone": "colours",
        "weights": "random",
        "input": "as it is",
        "frames": 16,
        "reference": "truth",
        "estimate": "mean of 9 subsets of 50, seed 1",
    }
    assert FrechetDistance(MeanColours()).protocol()["frames"] == "all"
    assert FrechetDistance(ClipColours()).protocol()["clips"] == "16 frames at stride 1"
    assert FrechetDistance(ClipColours(), clips=2).protocol()["clips"] == "16 frames at stride 1, at most 2 of a video"
    assert frames.random
    assert not FrechetDistance(MeanColours("trained")).random


def test_caveats() -> None:
    frechet, kernel = FrechetDistance(MeanColours()), KernelDistance(MeanColours())
    assert frechet.caveat(2049, 3000, 2048) == ""
    caveat = "96 frames against 3000, not more than its 2048 dimensions: biased upwards, compare rows only"
    assert frechet.caveat(96, 3000, 2048).startswith(caveat)
    assert frechet.caveat(3000, 2048, 2048) != ""
    assert FrechetDistance(ClipColours()).caveat(6, 6, 400).startswith("6 clips against 6")
    assert kernel.caveat(100, 100, 2048) == ""
    assert kernel.caveat(100, 99, 2048) == "100 frames against 99: unbiased, but with a large variance"


@pytest.mark.parametrize("metric", CLASSES)
def test_what_cannot_be_scored(metric: Class) -> None:
    with pytest.raises(Unscored, match="not finite"):
        metric(Broken()).extract(samples.sample(video(0), truth=video(1)))
    with pytest.raises(Unscored, match="the true video is not known"):
        metric(MeanColours()).reference(samples.sample(video(0)))
    with pytest.raises(Unscored, match="single feature vector"):
        score(metric(MeanColours()), [samples.sample(video(0, 1), truth=video(1, 1))])
    with pytest.raises(Unscored, match="no features"):
        metric(MeanColours()).summarise([np.ones((3, 2))], [])
    with pytest.raises(Unscored, match="subsets of 1000 need"):
        score(KernelDistance(MeanColours(), subsets=3), pairs(2))


@pytest.mark.parametrize(
    ("features", "settings", "message"),
    [
        (MeanColours, {"length": 16}, "length=16: MeanColours takes frames; accepted beside it are frames"),
        (MeanColours, {"stride": 1}, "stride=1: MeanColours takes frames"),
        (MeanColours, {"clips": 1}, "clips=1: MeanColours takes frames"),
        (ClipColours, {"frames": 16}, "frames=16: ClipColours takes clips; accepted beside it are length, stride"),
        (ClipColours, {"reference": "character"}, "reference=character: ClipColours takes clips"),
        (MeanColours, {"frames": 0}, "frames=0: accepted are null and whole numbers from 1"),
        (ClipColours, {"stride": 0}, "stride=0: accepted"),
        (MeanColours, {"subsets": 0}, "subsets=0: accepted"),
        (MeanColours, {"subset_size": 1}, "subset_size=1: accepted are whole numbers from 2"),
        (MeanColours, {"seed": -1}, "seed=-1: accepted are whole numbers from 0"),
    ],
)
def test_settings_that_do_not_fit(features, settings, message: str) -> None:
    with pytest.raises(UserError, match=message):
        KernelDistance(features(), **settings)


def test_loads_the_backbone() -> None:
    features = MeanColours()
    FrechetDistance(features).load("cpu")
    assert features._network == "cpu"


def benchmark_of_features(
    rng: np.random.Generator, characters: int, drivers: int, frames: int, dimensions: int
) -> tuple[np.ndarray, np.ndarray]:
    """Made and true, (pairs, frames, dimensions), alike within a character, a driver and a pair."""
    scale = np.arange(1, dimensions + 1) ** -0.5

    def noise(*shape: int) -> np.ndarray:
        return rng.normal(size=(*shape, dimensions)) * scale

    true = noise(characters, 1, 1) + 0.7 * noise(1, drivers, 1) + 0.7 * noise(characters, drivers, 1)
    true = true + 0.5 * noise(characters, drivers, frames)
    made = 1.2 * true + 0.3 * scale + 0.4 * noise(characters, 1, 1) + 0.3 * noise(characters, drivers, frames)
    return tuple(side.reshape(characters * drivers, frames, dimensions) for side in (made, true))  # type: ignore[return-value]


@pytest.mark.parametrize("metric", CLASSES)
@pytest.mark.parametrize(  # with more vectors than dimensions, and fewer
    "design", [pytest.param((24, 12, 3, 64), marks=pytest.mark.slow), (8, 5, 4, 256)]
)
def test_intervals_of_distances_tell_how_they_vary_between_benchmarks(
    metric: Class, design: tuple[int, int, int, int]
) -> None:
    rng, distance = np.random.default_rng(0), metric(MeanColours())
    first, second = np.indices(design[:2]).reshape(2, -1)
    values, covered, repeats = [], [], 100
    for _ in range(repeats):
        made, true = benchmark_of_features(rng, *design)
        contributions = distance.contributions(list(made), list(true), range(len(made)))
        crossed = Crossed(contributions[:, None], first, second)
        values.append(crossed.means[0])
        covered.append(crossed.intervals(200)[0])
    low, high = np.array(covered).T
    mean = np.mean(values)
    assert ((low <= mean) & (high >= mean)).mean() == pytest.approx(0.95, abs=0.06)  # two standard errors more than 3


@pytest.mark.parametrize("metric", CLASSES)
def test_contributions_are_what_leaving_pairs_out_tells_and_their_mean_is_the_number(metric: Class) -> None:
    rng, distance = np.random.default_rng(1), metric(MeanColours())
    made, true = (list(side) for side in benchmark_of_features(rng, 30, 2, 5, 6))
    found = distance.contributions(made, true, range(len(made)))
    assert found.mean() == pytest.approx(distance.summarise(made, true), rel=1e-9)
    by_jackknife = Metric.contributions(distance, made, true, range(len(made)))
    assert by_jackknife.mean() == pytest.approx(found.mean())
    assert np.corrcoef(found, by_jackknife)[0, 1] > 0.99
    assert found.std() == pytest.approx(by_jackknife.std(), rel=0.1)


@pytest.mark.parametrize("metric", CLASSES)
def test_a_reference_counts_for_all_pairs_that_share_it(metric: Class) -> None:
    """As where videos are compared with drivers: a driver weighs more if all of its pairs do."""
    rng, distance = np.random.default_rng(2), metric(MeanColours())
    made, _ = benchmark_of_features(rng, 5, 3, 6, 4)
    drivers = list(benchmark_of_features(rng, 1, 3, 6, 4)[1])
    compared_with = [pair % 3 for pair in range(15)]
    found = distance.contributions(list(made), drivers, compared_with)
    assert found.mean() == pytest.approx(distance.summarise(list(made), drivers), rel=1e-9)
    repeated = distance.contributions(list(made), [drivers[index] for index in compared_with], range(15))
    by_driver = [np.reshape(each, (5, 3)).mean(axis=0) for each in (found, repeated)]
    assert by_driver[0] - by_driver[0].mean() == pytest.approx(
        by_driver[1] - by_driver[1].mean(), abs=0.1 * np.ptp(by_driver[1])
    )


def test_a_single_pair_brings_all() -> None:
    distance = FrechetDistance(MeanColours())
    made, true = benchmark_of_features(np.random.default_rng(3), 1, 1, 9, 4)
    whole = distance.summarise(list(made), list(true))
    assert distance.contributions(list(made), list(true), [0]) == pytest.approx([whole])
    assert Metric.contributions(distance, list(made), list(true), [0]) == pytest.approx([whole])
