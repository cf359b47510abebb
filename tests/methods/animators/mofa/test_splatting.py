"""Splatting against a loop over pixels, and what must hold whatever the flow."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.animators.mofa.splatting import EPSILON, splat


def by_hand(values, flow, weight=None):
    """Pixel by pixel in float64, by the paper's formula: a triangular kernel at every pixel of the output."""
    values, flow = values.double().numpy(), flow.double().numpy()
    count, channels, height, width = values.shape
    factor = np.ones((count, height, width)) if weight is None else np.exp(weight.double().numpy()[:, 0])
    total, weights = np.zeros((count, channels, height, width)), np.zeros((count, 1, height, width))
    for n, y, x in np.ndindex(count, height, width):
        to_x, to_y = x + flow[n, 0, y, x], y + flow[n, 1, y, x]
        if not (math.isfinite(to_x) and math.isfinite(to_y)):
            continue
        for v in range(height):
            for u in range(width):
                share = max(0.0, 1 - abs(u - to_x)) * max(0.0, 1 - abs(v - to_y)) * factor[n, y, x]
                if share:
                    total[n, :, v, u] += share * values[n, :, y, x]
                    weights[n, 0, v, u] += share
    return total / (weights + EPSILON)


def example(seed, count=2, channels=3, height=6, width=8, spread=2.0):
    draw = torch.Generator().manual_seed(seed)
    values = torch.randn(count, channels, height, width, generator=draw)
    return values, spread * torch.randn(count, 2, height, width, generator=draw), draw


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10**6), spread=st.sampled_from([0.1, 1.0, 5.0]), metric=st.sampled_from([None, -3.0, 0.0, 5])
)
def test_is_the_loop_over_pixels(seed, spread, metric):
    values, flow, draw = example(seed, spread=spread)
    flow = (flow * 4096).round() / 4096  # positions that float32 has exactly: tiny shares else differ by rounding
    weight = None if metric is None else metric + torch.randn(2, 1, 6, 8, generator=draw)
    np.testing.assert_allclose(splat(values, flow, weight).numpy(), by_hand(values, flow, weight), rtol=1e-5, atol=1e-6)


def test_no_flow_moves_nothing():
    values, flow, _ = example(0)
    torch.testing.assert_close(splat(values, 0 * flow), values, rtol=2e-7, atol=0)


@pytest.mark.parametrize(("x", "y"), [(2, 0), (-3, 1), (0, -4)])
def test_whole_pixels_move_whole(x, y):
    values, flow, _ = example(1)
    flow[:, 0], flow[:, 1] = x, y
    expected = torch.zeros_like(values)
    expected[..., max(y, 0) : 6 + min(y, 0), max(x, 0) : 8 + min(x, 0)] = values[
        ..., max(-y, 0) : 6 + min(-y, 0), max(-x, 0) : 8 + min(-x, 0)
    ]
    torch.testing.assert_close(splat(values, flow), expected, rtol=2e-7, atol=0)


@pytest.mark.parametrize("away", [8.0, -8.0, 1e20, -1e20, math.nan, math.inf])
def test_what_leaves_or_is_nowhere_is_dropped(away):
    values, flow, _ = example(2)
    values[0, 0, 3, 5] = math.nan  # of a pixel that is dropped, so it must not show
    flow[:] = 0
    flow[0, 0, 3, 5] = away
    moved = splat(values, flow)
    assert (moved[0, :, 3, 5] == 0).all()  # nobody came instead
    kept = torch.ones(2, 1, 6, 8, dtype=torch.bool)
    kept[0, 0, 3, 5] = False
    torch.testing.assert_close(moved * kept, values.nan_to_num() * kept, rtol=2e-7, atol=0)


def test_half_outside_keeps_the_half_inside():
    values, flow = torch.full((1, 1, 1, 2), 5.0), torch.zeros(1, 2, 1, 2)
    flow[0, 0, 0] = torch.tensor([-0.5, 100.0])
    torch.testing.assert_close(splat(values, flow), torch.tensor([[[[5.0, 0.0]]]]), rtol=1e-6, atol=0)


def test_weights_decide_between_pixels_that_meet():
    values = torch.tensor([[[[1.0, 3.0]]]])
    flow = torch.tensor([[[[1.0, 0.0]], [[0.0, 0.0]]]])
    assert splat(values, flow)[0, 0, 0, 1] == pytest.approx(2)
    weight = torch.tensor([[[[0.0, math.log(3)]]]])
    assert splat(values, flow, weight)[0, 0, 0, 1] == pytest.approx((1 + 3 * 3) / 4)
    assert splat(values, flow, torch.tensor([[[[-math.inf, 0.0]]]]))[0, 0, 0, 1] == pytest.approx(3)


def test_large_weights_overflow_nothing():
    values, flow, draw = example(3)
    weight = torch.randn(2, 1, 6, 8, generator=draw)
    plain = splat(values, flow, weight + 20)  # where the epsilon no longer counts
    for more in (100, 300):
        shifted = splat(values, flow, weight + more)
        assert shifted.isfinite().all()
        torch.testing.assert_close(shifted, plain, rtol=1e-3, atol=1e-4)  # weights are rounded to 3e-5


def test_each_image_has_its_own_maximum():
    values, flow, draw = example(4)
    weight = torch.randn(2, 1, 6, 8, generator=draw)
    weight[1] += 200
    torch.testing.assert_close(splat(values, flow, weight)[:1], splat(values[:1], flow[:1], weight[:1]))


def test_equal_bits_on_every_run_and_number_of_threads():
    values, flow, _ = example(5, channels=40, height=48, width=48, spread=10)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        single = splat(values, flow)
        torch.set_num_threads(2)
        assert all(torch.equal(splat(values, flow), single) for _ in range(3))
    finally:
        torch.set_num_threads(before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_equal_bits_on_a_gpu():
    values, flow, _ = example(5, channels=40, height=48, width=48, spread=10)
    single = splat(values.cuda(), flow.cuda())
    assert all(torch.equal(splat(values.cuda(), flow.cuda()), single) for _ in range(3))
    torch.testing.assert_close(single.cpu(), splat(values, flow), rtol=1e-5, atol=1e-6)


def test_images_do_not_mix():
    values, flow, _ = example(6)
    torch.testing.assert_close(splat(values, flow)[1:], splat(values[1:], flow[1:]), rtol=0, atol=0)


def test_half_precision_is_computed_in_float32():
    values, flow, _ = example(7)
    values = values.half()
    moved = splat(values, flow.half())
    assert moved.dtype == torch.float16
    torch.testing.assert_close(moved, splat(values.float(), flow.half().float()).half(), rtol=0, atol=0)


def test_no_images():
    assert splat(torch.zeros(0, 3, 4, 5), torch.zeros(0, 2, 4, 5)).shape == (0, 3, 4, 5)
