import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charachbench.config import build
from charachbench.errors import Unscored, UserError
from charachbench.landmarks import mean_shape, topology
from charachbench.protocols import Metric, Sample
from charachbench.video import Video
from metrics.landmarks import (
    Akd,
    MotionError,
    Nme,
    NmeAuc,
    NmeFailureRate,
    Normaliser,
    OpeningCorrelation,
    StartJump,
    opening,
)
from metrics.tracking import LucasKanade
from tests.metrics import samples
from tests.metrics.samples import Given

FRAMES = 5


def tracks(seed: int, frames: int = FRAMES) -> np.ndarray:
    """Landmarks that wander about the face, (T, 68, 2)."""
    return samples.face() + np.random.default_rng(seed).normal(0, 3, (frames, 68, 2))


def score(metric: Metric, **given_: np.ndarray) -> np.ndarray:
    frames = len(next(iter(given_.values())))
    return metric.extract(samples.sample(samples.video(frames), landmarks=samples.face(), **given_))  # type: ignore[arg-type]


@pytest.mark.parametrize("normaliser", ["inter_ocular", "face_box", "diagonal"])
def test_nme_of_a_known_displacement(normaliser: Normaliser) -> None:
    true = np.stack([samples.face(), 2 * samples.face()])
    width, height = np.ptp(samples.face(), axis=0)
    size = {
        "inter_ocular": np.array([50, 100]),
        "face_box": np.sqrt(width * height) * np.array([1, 2]),
        "diagonal": np.full(2, 16 * np.sqrt(2)),
    }[normaliser]
    found = Given(true + np.array([3, 4]))
    assert score(Nme(found, normaliser), truth_landmarks=true) == pytest.approx(100 * 5 / size)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.floats(0.1, 10), st.floats(-500, 500), st.sampled_from(["inter_ocular", "face_box"]))
def test_nme_ignores_scale_and_place(seed: int, scale: float, shift: float, normaliser: Normaliser) -> None:
    true, found = tracks(seed), tracks(seed + 1)
    here = score(Nme(Given(found), normaliser), truth_landmarks=true)
    there = score(Nme(Given(found * scale + shift), normaliser), truth_landmarks=true * scale + shift)
    assert there == pytest.approx(here)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.floats(0.01, 0.3))
def test_auc_and_failure_rate_are_those_of_the_cumulative_curve(seed: int, threshold: float) -> None:
    true = np.repeat(samples.face()[None], 40, axis=0)
    errors = np.random.default_rng(seed).exponential(0.08, 40)
    found = Given(true + 50 * errors[:, None, None] * np.array([1, 0]))
    grid = np.linspace(0, threshold, 20_001)
    share_below = (errors[None] <= grid[:, None]).mean(axis=1)
    auc, failures = NmeAuc(found, threshold=threshold), NmeFailureRate(found, threshold=threshold)
    area = 100 * np.trapezoid(share_below, grid) / threshold
    assert auc.summarise([score(auc, truth_landmarks=true)]) == pytest.approx(area, abs=0.01)
    rate = failures.summarise([score(failures, truth_landmarks=true)])
    assert rate == pytest.approx(100 * (1 - share_below[-1]), abs=1e-9)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_perfect_landmarks_score_perfectly(seed: int) -> None:
    true = tracks(seed)
    assert (score(Nme(Given(true)), truth_landmarks=true) == 0).all()
    assert (score(NmeAuc(Given(true)), truth_landmarks=true) == 100).all()
    assert (score(NmeFailureRate(Given(true)), truth_landmarks=true) == 0).all()


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.floats(0.1, 10), st.floats(-500, 500))
def test_motion_error_ignores_the_size_and_the_place_of_either_face(seed: int, scale: float, shift: float) -> None:
    driver, made = tracks(seed), tracks(seed + 1)
    here = score(MotionError(Given(made)), driver=driver)
    assert score(MotionError(Given(made)), driver=driver * scale + shift) == pytest.approx(here)
    assert score(MotionError(Given(made + shift)), driver=driver) == pytest.approx(here)


def test_motion_error_is_relative_to_the_annotated_face() -> None:
    driver = tracks(0)
    driver[0] = samples.face()
    large = samples.sample(samples.video(FRAMES), landmarks=3 * samples.face(), driver=driver)
    assert MotionError(Given(3 * driver)).extract(large) == pytest.approx(0, abs=1e-9)


def test_motion_error_of_a_still_image_is_the_drivers_motion() -> None:
    driver = tracks(0)
    still = np.repeat(samples.face()[None], FRAMES, axis=0)
    between_eyes = np.linalg.norm(driver[0, 45] - driver[0, 36])
    motion = np.linalg.norm(driver[1:] - driver[0], axis=-1).mean(axis=-1) / between_eyes
    assert score(MotionError(Given(still)), driver=driver) == pytest.approx(100 * motion)


def test_tracking_starts_at_the_annotated_character_and_is_shared() -> None:
    true, tracker = tracks(0), Given(tracks(1))
    sample = samples.sample(samples.video(FRAMES), landmarks=samples.face(), truth_landmarks=true, driver=true)
    for metric in (Nme(tracker), NmeAuc(tracker), NmeFailureRate(tracker), MotionError(tracker)):
        metric.extract(sample)
    [(frames, first)] = tracker.calls
    assert frames == FRAMES + 1
    assert np.array_equal(first, samples.face())


def test_tracking_starts_at_the_first_frame_where_that_is_not_the_character() -> None:
    true, start = tracks(0), tracks(2)[0]
    tracker = Given(tracks(1))
    sample = samples.sample(
        samples.video(FRAMES), landmarks=samples.face(), truth_landmarks=true, first_landmarks=start
    )
    Nme(tracker).extract(sample)
    [(frames, first)] = tracker.calls
    assert frames == FRAMES
    assert np.array_equal(first, start)


def test_too_many_lost_points_leave_a_video_unscored() -> None:
    true = tracks(0)
    lost, kept = Given(true, reliable_share=0.3), Given(true, reliable_share=0.7)
    for metric in (Nme(lost), NmeAuc(lost), NmeFailureRate(lost), MotionError(lost)):
        with pytest.raises(Unscored, match=r"only \d+% of the landmarks could be tracked, 50% are needed"):
            score(metric, truth_landmarks=true, driver=true)
    assert score(Nme(kept), truth_landmarks=true).shape == (FRAMES,)


@pytest.mark.parametrize(
    ("metric", "inputs", "reason"),
    [
        (Nme(Given(tracks(0))), {"truth_landmarks": tracks(0)[:3]}, "5 frames, the truth 3"),
        (Nme(Given(tracks(0))), {"driver": tracks(0)}, "true landmarks are not known"),
        (Nme(Given(tracks(0))), {"truth_landmarks": np.ones((5, 68, 2))}, "true face has no extent"),
        (MotionError(Given(tracks(0))), {"driver": tracks(0)[:3]}, "5 frames, the driver 3"),
        (MotionError(Given(tracks(0))), {"driver": np.ones((5, 68, 2))}, "driver's face has no extent"),
    ],
)
def test_what_cannot_be_scored_says_why(metric: Metric, inputs: dict[str, np.ndarray], reason: str) -> None:
    with pytest.raises(Unscored, match=reason):
        metric.extract(samples.sample(samples.video(FRAMES), landmarks=samples.face(), **inputs))  # type: ignore[arg-type]


def test_an_annotation_in_one_spot_is_unscored() -> None:
    spot = samples.sample(samples.video(FRAMES), landmarks=np.ones((68, 2)), truth_landmarks=tracks(0))
    with pytest.raises(Unscored, match="character's face has no extent"):
        Nme(LucasKanade()).extract(spot)


def test_a_single_frame_has_no_motion() -> None:
    with pytest.raises(Unscored, match="single frame"):
        score(MotionError(Given(tracks(0, 1))), driver=tracks(0, 1))


@pytest.mark.parametrize("metric", [NmeAuc, NmeFailureRate])
def test_a_threshold_is_positive(metric: type[NmeAuc]) -> None:
    with pytest.raises(UserError, match="threshold: must be positive"):
        metric(LucasKanade(), threshold=0)


def test_the_true_video_beats_a_still_image_by_far() -> None:
    matrices = [samples.rotation(4 * np.sin(t / 2), (5 * np.sin(t / 3), 0)) for t in range(1, 13)]
    image, face = samples.texture(), samples.face()
    frames, true = samples.move(image, face, matrices)

    def scores(made: np.ndarray) -> list[float]:
        finished = samples.sample(Video(made, 25), image=image, landmarks=face, truth_landmarks=true, driver=true)
        tracker = LucasKanade()
        metrics: list[Metric] = [Nme(tracker), MotionError(tracker), NmeFailureRate(tracker), NmeAuc(tracker)]
        return [metric.summarise([metric.extract(finished)]) for metric in metrics]

    *oracle, oracle_auc = scores(frames)
    *still, still_auc = scores(np.repeat(image[None], len(frames), axis=0))
    assert oracle[0] < 0.1 * still[0]
    assert oracle[1] < 0.1 * still[1]
    assert oracle[2] == 0 < still[2]
    assert oracle_auc > 95 > still_auc


@pytest.mark.parametrize("part", [None, "mouth", "eyebrows"])
def test_a_part_alone_counts(part: str | None) -> None:
    true, found = tracks(0), tracks(1)
    chosen = slice(None) if part is None else topology.PARTS[part]
    share = np.linalg.norm(found - true, axis=-1)[:, chosen].mean(axis=1) / np.linalg.norm(
        true[:, 45] - true[:, 36], axis=1
    )
    limit = float(np.median(share))
    metrics: list[Metric] = [
        Nme(Given(found), part=part),  # type: ignore[arg-type]
        NmeAuc(Given(found), threshold=0.2, part=part),  # type: ignore[arg-type]
        NmeFailureRate(Given(found), threshold=limit, part=part),  # type: ignore[arg-type]
    ]
    nme, auc, failures = (score(metric, truth_landmarks=true) for metric in metrics)
    assert nme == pytest.approx(100 * share)
    assert auc == pytest.approx(100 * np.clip(1 - share / 0.2, 0, None))
    assert failures.tolist() == [100.0 * (value > limit) for value in share]
    assert all(metric.protocol().get("part") == part for metric in metrics)


class TestAkd:
    def test_pixels_are_those_of_a_frame_of_256(self) -> None:
        true = tracks(0)
        found = true + np.array([3, -4])
        wide = Video(np.zeros((FRAMES, 16, 32, 3), np.uint8), 25)
        assert score(Akd(Given(found)), truth_landmarks=true) == pytest.approx(5 * 256 / 16)
        sample = samples.sample(wide, landmarks=samples.face(), truth_landmarks=true)
        assert Akd(Given(found)).extract(sample) == pytest.approx(np.hypot(3 * 256 / 32, 4 * 256 / 16))

    def test_mean_of_distances(self) -> None:
        true, found = tracks(0), tracks(1)
        expected = [np.mean([np.hypot(*(a - b)) for a, b in zip(x, y, strict=True)]) for x, y in zip(true, found, strict=True)]  # fmt: skip # noqa: E501
        assert score(Akd(Given(found)), truth_landmarks=true) == pytest.approx(16 * np.array(expected))

    def test_against_what_the_method_meant(self) -> None:
        meant, found = tracks(0), tracks(1)
        sample = samples.sample(samples.video(FRAMES), landmarks=samples.face(), truth_landmarks=found)
        metric = Akd(Given(found), "retargeted")
        with pytest.raises(Unscored, match="the method gives no landmarks"):
            metric.extract(sample)
        sample.landmarks = meant
        assert metric.extract(sample) == pytest.approx(score(Akd(Given(found)), truth_landmarks=meant))
        sample.landmarks = meant[:2]
        with pytest.raises(Unscored, match="5 frames, the method's landmarks 2"):
            metric.extract(sample)

    def test_nothing_is_compared_with_itself(self) -> None:
        with pytest.raises(UserError, match="reference=retargeted: needs a tracker"):
            Akd(None, "retargeted")

    def test_without_truth(self) -> None:
        with pytest.raises(Unscored, match="true landmarks are not known"):
            score(Akd(Given(tracks(0))), driver=tracks(0))


def speaking(openings: np.ndarray, part: str = "mouth", size: float = 120) -> np.ndarray:
    """A face whose mouth or eyes open, by shares of the face's size, (T, 68, 2)."""
    face = mean_shape.fit(np.array([20, 20, 20 + size, 20 + size]))
    points = np.repeat(face[None], len(openings), axis=0)
    lower = [65, 66, 67] if part == "mouth" else [40, 41, 46, 47]
    points[:, lower, 1] += size * openings[:, None]
    return points


def correlation(made: np.ndarray, driver: np.ndarray, part: str = "mouth") -> float:
    sample = samples.sample(samples.video(len(made)), landmarks=made[0], driver=driver)
    return OpeningCorrelation(Given(made), part).extract(sample).item()  # type: ignore[arg-type]


class TestOpeningCorrelation:
    def test_openings_are_heights_by_widths(self) -> None:
        def far(i: int, j: int) -> float:
            return float(np.hypot(*(face[i] - face[j])))

        face = samples.face()
        mouth = (far(61, 67) + far(62, 66) + far(63, 65)) / 3 / far(48, 54)
        right, left = (far(37, 41) + far(38, 40)) / 2 / far(36, 39), (far(43, 47) + far(44, 46)) / 2 / far(42, 45)
        assert opening(face[None], "mouth", "").item() == pytest.approx(mouth)
        assert opening(face[None], "eyes", "").item() == pytest.approx((right + left) / 2)

    @settings(deadline=None, max_examples=20)
    @given(st.integers(0, 10_000), st.sampled_from(["mouth", "eyes"]))
    def test_equals_the_correlation_of_scipy(self, seed: int, part: str) -> None:
        from scipy.stats import pearsonr

        first, second = np.random.default_rng(seed).uniform(0.02, 0.2, (2, 12))
        expected = pearsonr(first, second).statistic
        assert correlation(speaking(first, part), speaking(second, part), part) == pytest.approx(expected, abs=1e-6)

    @settings(deadline=None, max_examples=20)
    @given(st.integers(0, 10_000), st.floats(0.3, 3), st.floats(0, 0.1))
    def test_only_the_time_of_opening_matters(self, seed: int, much: float, more: float) -> None:
        openings = np.random.default_rng(seed).uniform(0.02, 0.2, 12)
        driver = speaking(openings)
        assert correlation(speaking(much * openings + more, size=300), driver) == pytest.approx(1)
        assert correlation(speaking(0.3 - openings), driver) == pytest.approx(-1)

    def test_a_mouth_that_stays_as_it_is_scores_nothing(self) -> None:
        openings = np.linspace(0.02, 0.2, 8)
        moving, still = speaking(openings), speaking(np.full(8, 0.1))
        assert correlation(still, moving) == 0
        assert correlation(still + np.random.default_rng(0).normal(0, 1e-4, still.shape), moving) == 0
        with pytest.raises(Unscored, match="the driver's mouth open and close too little"):
            correlation(moving, still)
        with pytest.raises(Unscored, match="the driver's eyes open and close too little"):
            correlation(moving, moving, "eyes")

    def test_what_cannot_be_scored_says_why(self) -> None:
        moving = speaking(np.linspace(0.02, 0.2, 8))
        with pytest.raises(Unscored, match="8 frames, the driver 5"):
            correlation(moving, moving[:5])
        with pytest.raises(Unscored, match="driver's mouth open and close too little"):
            correlation(moving[:1], moving[:1])
        shut = moving.copy()
        shut[:, [48, 54]] = 0
        with pytest.raises(Unscored, match="character's mouth has no extent"):
            correlation(shut, moving)

    def test_the_method_itself_may_say_where_its_landmarks_are(self) -> None:
        moving = speaking(np.linspace(0.02, 0.2, 8))
        sample = samples.sample(samples.video(8), driver=moving)
        sample.landmarks = moving * 2
        assert OpeningCorrelation(None).extract(sample).item() == pytest.approx(1)

    def test_least_motion_is_more_than_rounding(self) -> None:
        with pytest.raises(UserError, match="least_motion=0: accepted are numbers above"):
            OpeningCorrelation(None, least_motion=0)


def test_start_jump_is_the_excess_of_the_first_step() -> None:
    driver, made = tracks(0), tracks(0)
    made[1:] = made[0] + 2 * (driver[1:] - driver[0])
    sample = samples.sample(samples.video(FRAMES), driver=driver)
    sample.landmarks = made
    step = np.linalg.norm(driver[1] - driver[0], axis=-1).mean() / np.linalg.norm(driver[0, 45] - driver[0, 36])
    assert StartJump().extract(sample) == pytest.approx(100 * step)
    sample.landmarks = driver
    assert StartJump().extract(sample) == pytest.approx(0)


def test_a_video_of_another_size_than_the_character_is_unscored() -> None:
    sample: Sample = samples.sample(
        samples.video(FRAMES), image=samples.texture(), landmarks=samples.face(), truth_landmarks=tracks(0)
    )
    with pytest.raises(Unscored, match="the video has 16 x 16 pixels, the character 160 x 160"):
        Nme(LucasKanade()).extract(sample)


def test_trackers_of_equal_settings_share_their_tracks() -> None:
    class Counted(LucasKanade):
        calls: list[int] = []  # noqa: RUF012

        def track(self, frames, first_points, *, landmarks=True):
            self.calls.append(self.levels)
            return tracks(0), np.ones((FRAMES, 68), bool)

    sample = samples.sample(
        samples.video(FRAMES), landmarks=samples.face(), first_landmarks=samples.face(), truth_landmarks=tracks(1)
    )
    for tracker in (Counted(), Counted(), Counted(levels=1)):
        Nme(tracker).extract(sample)
    assert Counted.calls == [3, 1]


@pytest.mark.parametrize("name", ["Nme", "NmeAuc", "NmeFailureRate", "Akd", "MotionError", "OpeningCorrelation"])
def test_the_footnote_names_the_tracker_and_the_reference(name: str) -> None:
    node = {"_target_": f"metrics.landmarks.{name}", "tracker": {"_target_": "metrics.tracking.LucasKanade"}}
    metric = build(node, "metrics.x", Metric)
    assert metric.protocol()["tracker"] == "lucas_kanade"
    assert metric.protocol()["reference"] in ("truth", "driver")
    assert metric.family in ("landmarks", "motion")
