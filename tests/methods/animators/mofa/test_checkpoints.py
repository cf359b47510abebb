"""That the networks at full size take the public checkpoints.

``data/shapes.json.gz`` holds names and shapes of all tensors of the reference implementation's networks
(github.com/open-mmlab/FaceShot), as its constructors make them, and the configuration that its ControlNet writes.
"""

import gzip
import json
from pathlib import Path

import pytest
import torch

from methods.animators.mofa.cmp import Cmp
from methods.animators.mofa.controlnet import FlowControlNet
from methods.animators.mofa.unet import ControlledUNet


@pytest.fixture(scope="module")
def reference():
    return json.loads(gzip.decompress((Path(__file__).parent / "data" / "shapes.json.gz").read_bytes()))


@pytest.mark.parametrize(
    ("name", "kind", "prefix"),
    [("controlnet", FlowControlNet, ""), ("unet", ControlledUNet, ""), ("cmp", Cmp, "module.")],
)
def test_names_and_shapes_are_those_of_the_reference_implementation(reference, name, kind, prefix):
    with torch.device("meta"):
        network = kind()
    shapes = {prefix + key: list(tensor.shape) for key, tensor in network.state_dict().items()}
    assert shapes == reference[name]


def test_the_controlnet_has_the_reference_implementations_settings(reference):
    with torch.device("meta"):
        network = FlowControlNet.from_config(
            {"_class_name": "FlowControlNet", "_diffusers_version": "0.24.0", **reference["config"]}
        )
        default = FlowControlNet()
    assert json.loads(json.dumps({name: default.config[name] for name in reference["config"]})) == reference["config"]
    heads = [block.attentions[0].num_attention_heads for block in [*network.down_blocks[:3], network.mid_block]]
    assert heads == [5, 10, 10, 20]
