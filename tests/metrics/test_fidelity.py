import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional.image import peak_signal_noise_ratio as peak_signal_noise_ratio_of_torch
from torchmetrics.functional.image import structural_similarity_index_measure

from charachbench.errors import Unscored
from charachbench.video import Video
from metrics.fidelity import Psnr, Ssim
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


def score(metric: Psnr | Ssim, made: np.ndarray, true: np.ndarray) -> np.ndarray:
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


@pytest.mark.parametrize("metric", [Psnr(), Ssim()])
def test_a_truth_of_another_shape_is_unscored(metric: Psnr | Ssim) -> None:
    made, true = pair_of_videos()
    with pytest.raises(Unscored, match="17 frames of 160 x 160 pixels, the truth 18 frames"):
        score(metric, made[:-1], true)
    with pytest.raises(Unscored, match="not known"):
        metric.extract(samples.sample(Video(made, 25)))
