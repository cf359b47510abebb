import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional import mean_absolute_error
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    structural_similarity_index_measure,
)
from torchmetrics.functional.image import peak_signal_noise_ratio as peak_signal_noise_ratio_of_torch

from charachbench.errors import Unscored
from charachbench.protocols import Metric
from charachbench.video import Video
from metrics.fidelity import L1, MsSsim, Psnr, Ssim
from tests.metrics import samples

FRAMES = 18


def pair_of_videos() -> tuple[np.ndarray, np.ndarray]:
    """A video and a noisy copy, growing noisier; both black in the outer 12 pixels."""
    true, _ = samples.move(samples.texture(), samples.face(), [samples.rotation(2 * t) for t in range(FRAMES)])
    noise = np.random.default_rng(0).normal(size=true.shape) * np.arange(1, FRAMES + 1)[:, None, None, None]
    made = np.clip(true + noise, 0, 255).astype(np.uint8)
    for frames in (true, made):
        inside = frames[:, 12:-12, 12:-12].copy()
        frames[:] = 0
        frames[:, 12:-12, 12:-12] = inside
    return made, true


def score(metric: Metric, made: np.ndarray, true: np.ndarray) -> np.ndarray:
    return metric.extract(samples.sample(Video(made, 25), truth=Video(true, 25)))


def test_psnr_agrees_with_scikit_image() -> None:
    made, true = pair_of_videos()
    expected = [peak_signal_noise_ratio(t, m, data_range=255) for m, t in zip(made, true, strict=True)]
    assert score(Psnr(), made, true) == pytest.approx(expected, rel=1e-5)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 255), st.integers(1, 20))
def test_psnr_of_a_constant_difference(level: int, frames: int) -> None:
    true = np.zeros((frames, 16, 16, 3), np.uint8)
    assert score(Psnr(), true + np.uint8(level), true) == pytest.approx(20 * np.log10(255 / level), rel=1e-5, abs=1e-4)


def test_psnr_of_identical_frames_is_the_ceiling() -> None:
    _, true = pair_of_videos()
    assert (score(Psnr(), true, true) == Psnr.ceiling).all()
    nearly = true.copy()
    nearly[0, 0, 0, 0] += 1
    nearly[0, 5, 5, 1] += 1
    assert score(Psnr(), nearly, true)[0] < Psnr.ceiling


def test_ssim_agrees_with_scikit_image() -> None:
    """Over the whole map: the black rim takes the two libraries' different borders out of the comparison."""
    made, true = pair_of_videos()
    expected = [
        structural_similarity(
            t, m, channel_axis=-1, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
            full=True,
        )[1].mean()
        for m, t in zip(made, true, strict=True)
    ]  # fmt: skip
    found = score(Ssim("rgb"), made, true)
    assert found.shape == (FRAMES,)
    assert found == pytest.approx(expected, abs=2e-4)


def test_psnr_is_that_of_torchmetrics() -> None:
    made, true = (torch.from_numpy(v.transpose(0, 3, 1, 2).astype(np.float32)) for v in pair_of_videos())
    expected = peak_signal_noise_ratio_of_torch(made, true, data_range=255.0, dim=(1, 2, 3), reduction="none")
    assert score(Psnr(), *pair_of_videos()) == pytest.approx(np.asarray(expected), rel=1e-5)


def test_ssim_of_colour_is_that_of_torchmetrics() -> None:
    made, true = (torch.from_numpy(v.transpose(0, 3, 1, 2).astype(np.float32) / 255) for v in pair_of_videos())
    expected = structural_similarity_index_measure(made, true, data_range=1.0, reduction="none")
    assert score(Ssim("rgb"), *pair_of_videos()) == pytest.approx(np.asarray(expected), abs=1e-5)


def test_ssim_of_luminance_is_that_of_grey_videos() -> None:
    made, true = (np.repeat(frames[..., :1], 3, axis=3) for frames in pair_of_videos())
    assert score(Ssim("luminance"), made, true) == pytest.approx(score(Ssim("rgb"), made, true), abs=1e-5)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 255), st.integers(0, 255))
def test_ssim_of_flat_frames_is_the_luminance_term(first: int, second: int) -> None:
    made, true = (np.full((2, 16, 16, 3), level, np.uint8) for level in (first, second))
    stability = (0.01 * 255) ** 2
    expected = (2 * first * second + stability) / (first**2 + second**2 + stability)
    assert score(Ssim(), made, true) == pytest.approx(expected, abs=2e-3)


def test_ssim_of_identical_frames_is_one() -> None:
    _, true = pair_of_videos()
    assert score(Ssim(), true, true) == pytest.approx(1, abs=1e-4)


def test_more_noise_scores_worse() -> None:
    made, true = pair_of_videos()
    for metric in (Psnr(), Ssim("luminance"), Ssim("rgb")):
        assert (np.diff(score(metric, made, true)) < 0).all()
    assert (np.diff(score(L1(), made, true)) > 0).all()


def test_l1_is_that_of_torchmetrics() -> None:
    made, true = (torch.from_numpy(v.astype(np.float64) / 255) for v in pair_of_videos())
    expected = [float(mean_absolute_error(m, t)) for m, t in zip(made.flatten(1), true.flatten(1), strict=True)]
    assert score(L1(), *pair_of_videos()) == pytest.approx(expected, rel=1e-6)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 255), st.integers(0, 255))
def test_l1_of_flat_frames(first: int, second: int) -> None:
    made, true = (np.full((2, 16, 16, 3), level, np.uint8) for level in (first, second))
    assert score(L1(), made, true) == pytest.approx(abs(first - second) / 255)


def large_videos(height: int, width: int, frames: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """A video and a noisy copy that is also shifted, of such a size."""
    true = np.stack([np.roll(samples.texture(2)[:height, :width], 7 * t, axis=1) for t in range(frames)])
    noise = np.random.default_rng(0).normal(0, 12, true.shape)
    return np.clip(np.roll(true, 1, axis=1) + noise, 0, 255).astype(np.uint8), true


def of_torchmetrics(made: np.ndarray, true: np.ndarray) -> np.ndarray:
    first, second = (torch.from_numpy(v.transpose(0, 3, 1, 2).astype(np.float32) / 255) for v in (made, true))
    options = {"data_range": 1.0, "reduction": "none"}
    return np.asarray(multiscale_structural_similarity_index_measure(first, second, **options))  # type: ignore[arg-type]


def test_multi_scale_ssim_is_that_of_torchmetrics() -> None:
    made, true = large_videos(183, 177)  # odd sides at every scale
    assert score(MsSsim("rgb"), made, true) == pytest.approx(of_torchmetrics(made, true), abs=1e-5)


def test_multi_scale_ssim_of_a_negative_is_none_of_a_copy_is_all() -> None:
    _, true = large_videos(176, 176, 1)
    assert score(MsSsim("rgb"), 255 - true, true) == pytest.approx(0, abs=1e-9)
    assert of_torchmetrics(255 - true, true) == pytest.approx(0, abs=1e-9)
    assert score(MsSsim(), true, true) == pytest.approx(1, abs=1e-4)


def test_multi_scale_ssim_of_luminance_is_that_of_grey_videos() -> None:
    made, true = (np.repeat(frames[..., :1], 3, axis=3) for frames in large_videos(176, 180))
    assert score(MsSsim(), made, true) == pytest.approx(score(MsSsim("rgb"), made, true), abs=1e-5)


def test_multi_scale_ssim_of_small_frames_is_unscored() -> None:
    made, true = large_videos(200, 175)
    with pytest.raises(Unscored, match="frames have 200 x 175 pixels, multi-scale similarity needs 176 a side"):
        score(MsSsim(), made, true)


def test_ssim_at_the_borders_is_that_of_torchmetrics() -> None:
    made, true = large_videos(37, 52)
    first, second = (torch.from_numpy(v.transpose(0, 3, 1, 2).astype(np.float32) / 255) for v in (made, true))
    expected = structural_similarity_index_measure(first, second, data_range=1.0, reduction="none")
    assert score(Ssim("rgb"), made, true) == pytest.approx(np.asarray(expected), abs=2e-5)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10_000))
def test_which_video_is_the_true_one_does_not_matter(seed: int) -> None:
    made, true = np.random.default_rng(seed).integers(0, 256, (2, 3, 24, 20, 3), dtype=np.uint8)
    for metric in (L1(), Psnr(), Ssim()):
        assert score(metric, made, true) == pytest.approx(score(metric, true, made), rel=1e-5)


@settings(deadline=None, max_examples=10)
@given(st.permutations(range(6)))
def test_each_frame_counts_by_itself(order: list[int]) -> None:
    made, true = (frames[:6, 12:60, 12:60] for frames in pair_of_videos())
    for metric in (L1(), Psnr(), Ssim()):
        assert score(metric, made[order], true[order]).tolist() == score(metric, made, true)[order].tolist()


@pytest.mark.parametrize("metric", [L1(), Psnr(), Ssim(), MsSsim()])
def test_the_footnote_says_what_is_compared(metric: Metric) -> None:
    assert metric.family == "fidelity"
    assert metric.protocol()["reference"] == "truth"
    assert metric.protocol()["colour"] in ("rgb", "luminance")


@pytest.mark.parametrize("metric", [L1(), Psnr(), Ssim()])
def test_a_truth_of_another_shape_is_unscored(metric: Metric) -> None:
    made, true = pair_of_videos()
    with pytest.raises(Unscored, match="17 frames of 160 x 160 pixels, the truth 18 frames"):
        score(metric, made[:-1], true)
    with pytest.raises(Unscored, match="not known"):
        metric.extract(samples.sample(Video(made, 25)))
