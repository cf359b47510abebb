from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from charachbench import random_weights
from charachbench.errors import UserError
from metrics.backbones import i3d
from metrics.backbones.i3d import I3d

EXPECTED = Path(__file__).parents[2] / "data" / "i3d.npz"
ODD = 1, 3, 13, 97, 131


def clips(count: int, frames: int, size: int, seed: int = 0) -> np.ndarray:
    """Pictures that slide, each by its own speed."""
    stills = random_weights.pictures(count, size, seed)
    return np.stack(
        [np.stack([np.roll(still, (n + 1) * t, axis=1) for t in range(frames)]) for n, still in enumerate(stills)]
    )


def network() -> torch.nn.Module:
    """I3D with random weights, and random statistics in its normalisations."""
    made = i3d.inception_i3d()
    random_weights.initialise(made, 0)
    rng = np.random.default_rng(5)
    for name, tensor in made.state_dict().items():
        if ".bn." in name and tensor.ndim:
            low, high = (0.5, 1.8) if name.endswith(("weight", "var")) else (-0.3, 0.3)
            tensor.copy_(torch.from_numpy(rng.uniform(low, high, tensor.shape).astype(np.float32)))
    return made.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def small() -> I3d:
    made = I3d("random", resolution=64)
    made.load("cpu")
    return made


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TorchScript file that is called as StyleGAN-V's: means over all frames of 28 x 28 cells of each colour."""

    class Cells(torch.nn.Module):
        def forward(
            self, x: torch.Tensor, rescale: bool = True, resize: bool = True, return_features: bool = False
        ) -> torch.Tensor:
            if rescale or resize or not return_features:
                x = x * float("nan")
            return torch.nn.functional.avg_pool3d(x.mean(2, keepdim=True), [1, 8, 8]).flatten(1)

    path = tmp_path_factory.mktemp("weights") / "cells.pt"
    torch.jit.save(torch.jit.script(Cells()), path)
    return path


def test_a_state_dict_gives_what_the_reference_implementation_gives(tmp_path):
    """``i3d.npz`` holds what ``InceptionI3d`` of piergiaj/pytorch-i3d gives with these weights, averaged over time.

    Files of old versions of torch do not count batches.
    """
    state = {name: tensor for name, tensor in network().state_dict().items() if "num_batches" not in name}
    torch.save(state, tmp_path / "rgb_imagenet.pt")
    backbone = I3d(str(tmp_path / "rgb_imagenet.pt"))
    backbone.load("cpu")
    expected = np.load(EXPECTED)["square"]
    np.testing.assert_allclose(backbone.embed(clips(1, 10, 224))[0], expected, rtol=0, atol=1e-5 * expected.max())


def test_sizes_that_strides_do_not_divide_are_padded_as_in_the_reference_implementation():
    """There it cannot pool: its last maps were averaged, and its last convolution applied to that."""
    with torch.inference_mode():
        scores = network()(torch.from_numpy(np.random.default_rng(7).uniform(-1, 1, ODD).astype(np.float32)))
    expected = np.load(EXPECTED)["odd"]
    np.testing.assert_allclose(scores[0], expected, rtol=0, atol=1e-5 * expected.max())


@pytest.mark.parametrize("shape", [(1, 9, 160, 256, 3), (2, 9, 224, 224, 3)], ids=["stretched", "as it is"])
def test_an_archive_is_given_clips_as_stylegan_v_gives_them(archive, shape):
    frames = np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)
    backbone = I3d(str(archive))
    backbone.load("cpu")
    resized = np.array([[cv2.resize(frame.astype(np.float32), (224, 224)) for frame in clip] for clip in frames])
    cells = (resized.astype(np.float64) / 255 * 2 - 1).mean(1).reshape(-1, 28, 8, 28, 8, 3).mean((2, 4))
    np.testing.assert_allclose(backbone.embed(frames), cells.transpose(0, 3, 1, 2).reshape(len(frames), -1), atol=1e-5)


@pytest.mark.parametrize("content", [b"", b"not weights", {}, {"logits.conv3d.bias": torch.zeros(157)}])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "weights.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(UserError, match="TorchScript archive of I3D"):
        I3d(str(path)).load("cpu")


def test_missing_weights_are_named(monkeypatch, tmp_path):
    for variable in ("CHARACBENCH_WEIGHTS", "HOME", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    assert I3d().protocol()["weights"] == "bec6519f"
    with pytest.raises(UserError, match="i3d_torchscript"):
        I3d().load("cpu")


@pytest.mark.parametrize(
    "settings",
    [{"resolution": 112}, {"weights": "random", "resolution": 31}, {"batch": 0}],
    ids=["trained at 224", "too small", "no batch"],
)
def test_wrong_settings_are_refused(settings):
    with pytest.raises(UserError, match="accepted"):
        I3d(**settings)


def test_short_clips_are_refused(small):
    with pytest.raises(UserError, match="9 frames or more"):
        small.embed(clips(1, 8, 64))
    assert np.isfinite(small.embed(np.zeros((1, 9, 64, 64, 3), np.uint8))).all()  # black


def test_random_weights_depend_on_the_seed_alone():
    first, other = (I3d("random", seed=seed, resolution=32) for seed in (0, 1))
    first.load("cpu")
    other.load("cpu")
    frames = clips(1, 9, 40)
    with torch.inference_mode():
        again = first.build("cpu")(torch.from_numpy(frames))
    np.testing.assert_allclose(again, first.embed(frames), rtol=1e-5, atol=1e-5)
    assert np.abs(first.embed(frames) - other.embed(frames)).mean() > 0.1
    assert first.random
    assert first.protocol() | {"weights": "random seed 1"} == other.protocol() != first.protocol()


@pytest.mark.slow
def test_random_weights_see_content_and_order(small):
    frames = clips(4, 12, 64)
    features = small.embed(frames)
    assert features.shape == (4, 400)
    assert features.dtype == np.float32
    between = np.linalg.norm(features[:, None] - features, axis=2)[~np.eye(4, dtype=bool)]
    assert between.min() > 0.05 * np.linalg.norm(features, axis=1).mean()
    shuffled = small.embed(frames[:, np.random.default_rng(0).permutation(12)])
    assert np.linalg.norm(shuffled - features, axis=1).min() > 0.1 * between.mean()


def test_features_depend_neither_on_batch_nor_on_order(small):
    frames, order = clips(3, 9, 64), [2, 0, 1]
    other = I3d("random", resolution=64, batch=2)
    other.load("cpu")
    features = small.embed(frames)
    away = np.linalg.norm(other.embed(frames[order]) - features[order], axis=1)
    assert (away < 1e-4 * np.linalg.norm(features, axis=1)).all()
    np.testing.assert_array_equal(small.embed(frames[order]), features[order])


@settings(max_examples=20, deadline=None)
@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    colour=st.tuples(*[st.integers(0, 255)] * 3),
    to=st.integers(32, 64),
)
def test_flat_frames_of_any_size_stay_flat(size, colour, to):
    scaled = i3d._scaled(torch.tensor(colour, dtype=torch.uint8).expand(2, 3, *size, 3), to)
    assert scaled.shape == (2, 3, 3, to, to)
    expected = np.array(colour, np.float64)[:, None, None, None] / 127.5 - 1
    np.testing.assert_allclose(scaled, np.broadcast_to(expected, scaled.shape), atol=1e-6)
