import hashlib

import cv2
import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from torch import nn

from charachbench import random_weights


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 32, 5), nn.BatchNorm2d(32), nn.PReLU(32), nn.Flatten(), nn.Linear(32 * 144, 40), nn.BatchNorm1d(40)
    ).eval()


def initialised(seed: int) -> nn.Sequential:
    made = network()
    random_weights.initialise(made, seed)
    return made


def test_weights_are_equal_to_the_last_bit_on_every_machine():
    recorded = [0.11571741849184036, 0.2504558861255646, 0.20550163090229034]
    assert initialised(0)[0].weight.flatten()[:3].tolist() == recorded
    assert hashlib.sha256(initialised(0)[4].weight.detach().numpy().tobytes()).hexdigest()[:8] == "71fe3af5"


def test_kernels_and_matrices_have_the_variance_of_he():
    made = initialised(0)
    for layer in (made[0], made[4]):
        fan_in = layer.weight[0].numel()
        assert layer.weight.var().item() == pytest.approx(2 / fan_in, rel=0.05)
        assert abs(layer.weight.mean().item()) < 0.05 * (2 / fan_in) ** 0.5
        assert not layer.bias.any()


@hypothesis.given(st.integers(0, 2**40), st.text(max_size=9), st.integers(1, 40), st.integers(1, 40))
@hypothesis.settings(deadline=None, max_examples=30)
def test_draws_are_in_range_and_repeat(seed, name, rows, columns):
    layer = nn.ParameterDict({"a" + name.replace(".", ""): torch.full((rows, columns), torch.nan)})
    random_weights.initialise(layer, seed)
    (first,) = [parameter.clone() for parameter in layer.parameters()]
    assert first.abs().max() <= (6 / columns) ** 0.5
    random_weights.initialise(layer, seed)
    assert torch.equal(first, next(layer.parameters()))


def test_scales_stay_as_they_were_built():
    made = network()
    with torch.no_grad():
        made[1].weight.fill_(3)
        made[1].bias.fill_(3)
    random_weights.initialise(made, 0)
    assert (made[1].weight == 3).all()
    assert not made[1].bias.any()
    assert (made[2].weight == 0.25).all()


def test_torchs_generator_neither_matters_nor_is_drawn_from():
    torch.manual_seed(1)
    first, made = initialised(0), network()
    before = torch.get_rng_state()
    random_weights.initialise(made, 0)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first[4].weight, made[4].weight)


def test_the_order_of_modules_does_not_matter():
    one = nn.ModuleDict({"a": nn.Linear(9, 9), "b": nn.Linear(9, 9)})
    other = nn.ModuleDict({"b": nn.Linear(9, 9), "a": nn.Linear(9, 9)})
    random_weights.initialise(one, 0)
    random_weights.initialise(other, 0)
    assert torch.equal(one["a"].weight, other["a"].weight)
    assert not torch.equal(one["a"].weight, one["b"].weight)


def test_streams_of_seeds_and_names_are_unrelated():
    draws = []
    for seed in (0, 1):
        layers = nn.ModuleDict({name: nn.Linear(100, 100) for name in ("a", "b")})
        random_weights.initialise(layers, seed)
        draws += [layers[name].weight.detach().numpy().ravel() for name in ("a", "b")]
    assert np.abs(np.corrcoef(draws) - np.eye(4)).max() < 0.05  # five standard deviations of 10 000 pairs


def test_calibrated_normalisations_make_mean_0_and_variance_1():
    made, frames = initialised(0), torch.from_numpy(random_weights.pictures(64, 16)).permute(0, 3, 1, 2) / 127.5 - 1
    random_weights.calibrate(made, lambda: made(frames))
    assert not any(module.training for module in made.modules())
    assert (made[1].momentum, made[5].momentum) == (0.1, 0.1)
    with torch.no_grad():
        for normalised in (made[:2](frames).transpose(0, 1).flatten(1), made(frames).T):
            np.testing.assert_allclose(normalised.mean(1), 0, atol=1e-4)
            np.testing.assert_allclose(normalised.var(1), 1, rtol=1e-3)


def test_calibration_forgets_the_statistics_before():
    first, other, frames = initialised(0), initialised(0), torch.rand(8, 3, 16, 16)
    other(torch.full_like(frames, 9))
    other[1].running_mean.fill_(7)
    for made in (first, other):
        random_weights.calibrate(made, lambda made=made: made(frames))
    assert torch.equal(first[5].running_var, other[5].running_var)


def test_pictures_are_the_same_on_every_machine():
    frames = random_weights.pictures(2, 32)
    assert (frames.shape, frames.dtype) == ((2, 32, 32, 3), np.uint8)
    recorded = [0, 122, 96]
    np.testing.assert_allclose(frames[1, 16, 16], recorded, atol=1)  # OpenCV's rounding
    assert not np.array_equal(frames, random_weights.pictures(2, 32, seed=1))


def test_pictures_have_detail_of_all_sizes():
    frames = random_weights.pictures(4, 64).astype(np.float32)
    assert frames.min() < 20
    assert frames.max() > 235
    smooth = [np.std([cv2.GaussianBlur(frame, (0, 0), width) for frame in frames]) for width in (1, 2, 4, 8)]
    assert all(coarse < 0.97 * fine for fine, coarse in zip([frames.std(), *smooth], smooth, strict=False))
