"""The U-Net with a ControlNet's residuals.

``data/unet.npz`` holds what the reference implementation (github.com/open-mmlab/FaceShot, ``models/
unet_spatio_temporal_condition_controlnet.py``, with diffusers 0.24) predicts for the inputs below and the weights of
``weights.draw``; the temporal layers' context was put in the order of later releases of diffusers.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import UNetSpatioTemporalConditionModel

from methods.animators.mofa.unet import ControlledUNet
from tests.methods.animators.mofa.weights import draw, uniform

COMMON = {
    "addition_time_embed_dim": 32,
    "projection_class_embeddings_input_dim": 96,
    "cross_attention_dim": 32,
}
FOUR_BLOCKS = {"block_out_channels": (32, 64, 128, 128), "num_attention_heads": (1, 2, 2, 4), **COMMON}
TWO_BLOCKS = {
    "block_out_channels": (32, 64),
    "num_attention_heads": (1, 2),
    "layers_per_block": 1,
    "down_block_types": ("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
    "up_block_types": ("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
    **COMMON,
}
BATCH, FRAMES = 2, 3
SHAPES = {
    "four_blocks": [
        *[(32, 8, 16)] * 3,
        *[(32, 4, 8), (64, 4, 8), (64, 4, 8)],
        *[(64, 2, 4), (128, 2, 4), (128, 2, 4)],
        *[(128, 1, 2)] * 3,
    ],
    "two_blocks": [(32, 8, 16), (32, 8, 16), (32, 4, 8), (64, 4, 8)],
}


@pytest.fixture(scope="module")
def inputs():
    return {
        "sample": uniform("sample", BATCH, FRAMES, 8, 8, 16, low=-2, high=2),
        "timestep": torch.tensor(1.25),
        "encoder_hidden_states": uniform("hidden", BATCH, 1, 32),
        "added_time_ids": torch.tensor([[6, 128, 0.02], [8, 100, 0.1]]),
    }


def build(kind, config):
    network = kind(**config).eval().requires_grad_(False)
    draw(network, 2)
    return network


def residuals(name):
    down = [uniform(f"down_{index}", BATCH * FRAMES, *shape) for index, shape in enumerate(SHAPES[name])]
    return {"down_residuals": down, "mid_residual": uniform("middle", *down[-1].shape)}


@pytest.mark.parametrize(("name", "config"), [("four_blocks", FOUR_BLOCKS), ("two_blocks", TWO_BLOCKS)])
def test_predicts_what_the_reference_implementation_does(inputs, name, config):
    with np.load(Path(__file__).parent / "data" / "unet.npz") as data:
        expected = torch.from_numpy(data[name])
    actual = build(ControlledUNet, config)(**inputs, **residuals(name))
    torch.testing.assert_close(actual, expected, rtol=0, atol=2e-5)


def test_without_residuals_it_is_diffusers_unet(inputs):
    zero = {"down_residuals": [0 * part for part in residuals("two_blocks")["down_residuals"]], "mid_residual": 0}
    expected = build(UNetSpatioTemporalConditionModel, TWO_BLOCKS)(**inputs, return_dict=False)[0]
    torch.testing.assert_close(build(ControlledUNet, TWO_BLOCKS)(**inputs, **zero), expected, rtol=0, atol=1e-6)


def test_clips_of_a_batch_do_not_see_each_other(inputs):
    network, given = build(ControlledUNet, TWO_BLOCKS), residuals("two_blocks")
    both = network(**inputs, **given)
    for index in range(BATCH):
        clip, frames = slice(index, index + 1), slice(FRAMES * index, FRAMES * (index + 1))
        alone = network(
            **{name: value if name == "timestep" else value[clip] for name, value in inputs.items()},
            down_residuals=[part[frames] for part in given["down_residuals"]],
            mid_residual=given["mid_residual"][frames],
        )
        torch.testing.assert_close(alone, both[clip], rtol=0, atol=2e-5)


def test_residuals_of_another_layout_are_refused(inputs):
    given = residuals("two_blocks")
    with pytest.raises(ValueError, match="longer"):
        build(ControlledUNet, TWO_BLOCKS)(
            **inputs, down_residuals=[*given["down_residuals"], given["mid_residual"]], mid_residual=0
        )
