import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charachbench.errors import Unscored, UserError
from charachbench.protocols import Metric
from charachbench.video import Video
from metrics.landmarks import MotionError, Nme, NmeAuc, NmeFailureRate, Normaliser
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
