"""MOFA-Video's ControlNet.

``data/controlnet.npz`` holds what the reference implementation (github.com/open-mmlab/FaceShot, ``models/
ldmk_ctrlnet.py``, with diffusers 0.24) gives for the inputs of ``inputs`` and the weights of ``weights.draw``, every
fourth channel. Its hard-coded widths were made those of its configuration, its splatting a loop over pixels, and the
temporal layers' context was put in the order of later releases of diffusers, who had mixed up the clips of a batch.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from methods.animators.mofa import controlnet
from methods.animators.mofa.controlnet import FlowControlNet
from tests.methods.animators.mofa.weights import draw, uniform

CONFIG = {
    "block_out_channels": [32, 64, 128, 128],
    "addition_time_embed_dim": 32,
    "projection_class_embeddings_input_dim": 96,
    "cross_attention_dim": 32,
    "num_attention_heads": [1, 2, 2, 4],
}
BATCH, FRAMES, HEIGHT, WIDTH = 2, 3, 64, 128
TOLERANCE = 1e-5  # of the largest magnitude


@pytest.fixture(scope="module")
def network():
    network = FlowControlNet(**CONFIG).eval().requires_grad_(False)
    draw(network, 1)
    return network


@pytest.fixture(scope="module")
def inputs():
    return {
        "sample": uniform("sample", BATCH, FRAMES, 8, HEIGHT // 8, WIDTH // 8, low=-2, high=2),
        "timestep": 1.25,
        "encoder_hidden_states": uniform("hidden", BATCH, 1, 32),
        "added_time_ids": torch.tensor([[6, 128, 0.02], [8, 100, 0.1]]),
    }


@pytest.fixture(scope="module")
def clip():
    return {
        "image": uniform("image", 1, 3, HEIGHT, WIDTH),
        "flow": uniform("flow", FRAMES - 1, 2, HEIGHT, WIDTH, low=-24, high=24),
        "landmarks": uniform("landmarks", FRAMES, 3, HEIGHT, WIDTH, low=0),
    }


@pytest.fixture(scope="module")
def conditions(network, clip):
    return network.condition(**clip)


def twice(conditions):
    return [condition.repeat(2, 1, 1, 1) for condition in conditions]


def close(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=0, atol=TOLERANCE * float(expected.abs().max()))


def test_residuals_are_those_of_the_reference_implementation(network, inputs, conditions):
    down, middle = network(**inputs, conditions=twice(conditions))
    with np.load(Path(__file__).parent / "data" / "controlnet.npz") as expected:
        assert len(down) == len(expected.files) - 1 == 12
        for index, residual in enumerate(down):
            close(residual[:, ::4], torch.from_numpy(expected[f"down_{index}"]))
        close(middle[:, ::4], torch.from_numpy(expected["middle"]))


def test_clips_of_a_batch_do_not_see_each_other(network, inputs, conditions):
    both, middle = network(**inputs, conditions=twice(conditions))
    for index in range(BATCH):
        one = {name: value if name == "timestep" else value[index : index + 1] for name, value in inputs.items()}
        down, alone = network(**one, conditions=conditions)
        frames = slice(FRAMES * index, FRAMES * (index + 1))
        for residual, expected in zip([*down, alone], [*both, middle], strict=True):
            close(residual, expected[frames])


@pytest.mark.parametrize("chunk", [1, 2])
def test_chunks_do_not_matter(network, clip, conditions, chunk):
    for condition, expected in zip(network.condition(**clip, chunk=chunk), conditions, strict=True):
        close(condition, expected)


def test_a_clip_of_one_frame_has_the_first_frames_conditions(network, clip, conditions):
    one = network.condition(clip["image"], clip["flow"][:0], clip["landmarks"][:1])
    for condition, expected in zip(one, conditions, strict=True):
        close(condition, expected[:1])


def test_what_conditions_depend_on(network, clip, conditions):
    """Flow moves all frames but the first; landmarks steer each frame, where features are as wide as the input's."""
    still = network.condition(clip["image"], torch.zeros_like(clip["flow"]), clip["landmarks"])
    blank = network.condition(clip["image"], clip["flow"], torch.zeros_like(clip["landmarks"]))
    for level, condition in enumerate(conditions):
        assert condition.shape[1:] == (32 * max(1, 2 ** (level - 1)), HEIGHT // 8 >> level, WIDTH // 8 >> level)
        changed = (condition - still[level]).abs().amax((1, 2, 3)) > 0.01
        assert changed.tolist() == [False, True, True]
        changed = (condition - blank[level]).abs().amax((1, 2, 3)) > 0.01
        assert changed.tolist() == [level < 2] * 3


def test_flow_stays_float32_in_a_network_of_another_type(clip, monkeypatch):
    network = FlowControlNet(**CONFIG).eval().requires_grad_(False).bfloat16()
    flows = []
    monkeypatch.setattr(controlnet, "splat", lambda values, flow: flows.append(flow) or values)
    assert all(condition.dtype == torch.bfloat16 for condition in network.condition(**clip))
    for level, flow in enumerate(flows):
        step = 8 * 2**level
        assert torch.equal(flow, clip["flow"][..., ::step, ::step] / step)


@pytest.mark.parametrize("heads", [(5, 10, 10, 20), (5, 10, 20, 20)])
def test_the_checkpoints_heads_are_not_those_of_its_configuration(heads):
    with torch.device("meta"):
        network = FlowControlNet(num_attention_heads=heads)
    assert network.config["num_attention_heads"] == heads
    blocks = [*list(network.down_blocks)[:3], network.mid_block]
    assert [block.attentions[0].transformer_blocks[0].attn1.heads for block in blocks] == [5, 10, 10, 20]


def test_loads_what_it_saves(network, inputs, conditions, tmp_path):
    network.save_pretrained(tmp_path)
    loaded = FlowControlNet.from_pretrained(tmp_path)
    for residual, expected in zip(
        loaded(**inputs, conditions=twice(conditions))[0],
        network(**inputs, conditions=twice(conditions))[0],
        strict=True,
    ):
        assert torch.equal(residual, expected)
