"""Against ``pyiqa``'s networks with the same weights, on the same crops."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch

from charachbench import keys
from charachbench.errors import UserError
from charachbench.video import Video
from metrics import quality
from metrics.backbones.transformer import Clip
from metrics.quality import HyperIqa, LaionAesthetic
from tests.metrics import samples

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
NAMES = "3d6a5535e7705bedb409903740d1214447f99cb1c5092825d49afccf38c898cb"
"""Digest of the names and shapes of all tensors of the authors' ``HyperNet``, which ``koniq_pretrained.pkl`` fills."""


@pytest.fixture(scope="module")
def hyper() -> HyperIqa:
    metric = HyperIqa("random", crops=2)
    metric.load("cpu")
    return metric


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    folder = tmp_path_factory.mktemp("models") / "clip"
    torch.manual_seed(0)
    config: dict[str, Any] = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "patch_size": 14,
        "image_size": 42,
        "projection_dim": 768,
        "initializer_factor": 5.0,
    }
    CLIPVisionModelWithProjection(CLIPVisionConfig(**config)).save_pretrained(folder)
    return Clip(str(folder), None, batch=2)


class Probe(torch.nn.Module):
    """In place of HyperIQA: a plain function of the crop that depends on every pixel's place."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.linspace(-1, 2, quality.CROP))

    def forward(self, crops):
        assert crops.shape[1:] == (3, quality.CROP, quality.CROP)
        return (crops * self.scale * self.scale[:, None]).mean(dim=(1, 2, 3))


def probed(**settings: Any) -> HyperIqa:
    metric = HyperIqa(**settings)
    metric._network = Probe().requires_grad_(False)
    return metric


def turning(count: int, height: int = 160, width: int = 160) -> Video:
    matrices = [samples.rotation(20 * n) for n in range(count)]
    frames, _ = samples.move(samples.texture(), np.zeros((1, 2)), matrices)
    return Video(frames[:, :height, :width], 25)


def test_crops_are_cut_from_the_resized_frame():
    from PIL import Image

    video = turning(2, 160, 130)
    expected = []
    for index, frame in enumerate(video.frames):
        planes = [
            Image.fromarray(np.float32(frame[..., c])).resize((384, 512), Image.Resampling.BILINEAR) for c in range(3)
        ]
        pixels = (np.stack([np.asarray(plane) for plane in planes], axis=-1) / 255 - IMAGENET[0]) / IMAGENET[1]
        crops = [pixels[y : y + 224, x : x + 224] for y, x in quality.corners(3, 5, index)]
        weights = np.outer(np.linspace(-1, 2, 224), np.linspace(-1, 2, 224))
        expected.append(np.mean([(crop * weights[..., None]).mean() for crop in crops]))

    values = probed(crops=3, seed=5).extract(samples.sample(video))

    np.testing.assert_allclose(values, expected, rtol=1e-4)


def test_corners_are_those_of_the_frame_and_the_seed():
    many = quality.corners(2000, 0, 0)

    assert (many.min(axis=0) == 0).all()
    assert many.max(axis=0).tolist() == [512 - 224, 384 - 224]
    np.testing.assert_allclose(many.mean(axis=0), [144, 80], rtol=0.05)
    assert quality.corners(2, 0, 0).tolist() == [[100, 123], [214, 117]]
    assert quality.corners(2, 0, 0).tolist() == many[:2].tolist()
    assert len({tuple(quality.corners(2, seed, index).ravel()) for seed in range(3) for index in range(3)}) == 9


def test_a_frame_scores_the_same_whatever_is_scored_with_it():
    sample = samples.sample(turning(5))

    every = probed(frames=None, batch=10).extract(sample)

    np.testing.assert_allclose(probed(frames=3, batch=3).extract(sample), every[[0, 2, 4]], rtol=1e-5)
    assert len(set(every)) == 5


def test_black_frames_and_single_ones_have_a_score():
    black = Video(np.zeros((1, 20, 30, 3), np.uint8), 25)

    (value,) = probed().extract(samples.sample(black))

    assert value == pytest.approx(np.mean([-mean / std for mean, std in zip(*IMAGENET, strict=True)]) / 4, rel=1e-3)


@pytest.mark.slow
def test_hyperiqa_is_pyiqas(hyper, monkeypatch):
    timm = pytest.importorskip("timm")
    arch = pytest.importorskip(
        "pyiqa.archs.hypernet_arch", reason="pyiqa is not installed: pip install charachbench[iqa]"
    )
    create = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda name, **options: create(name, **(options | {"pretrained": False})))
    theirs = arch.HyperNet(pretrained=False).eval()
    state = dict(renamed(hyper._network.state_dict()))
    missing, unexpected = theirs.load_state_dict(state, strict=False)
    assert not missing
    assert not unexpected
    frame = turning(1).frames
    pixels = torch.nn.functional.interpolate(
        torch.from_numpy(frame).permute(0, 3, 1, 2) / 255, (512, 384), mode="bilinear", antialias=True
    )
    with torch.no_grad():
        expected = [
            theirs.forward_patch(pixels[..., y : y + 224, x : x + 224]).item() for y, x in quality.corners(2, 0, 0)
        ]

    (value,) = hyper.extract(samples.sample(Video(frame, 25)))

    assert expected[0] != pytest.approx(expected[1], rel=1e-2)
    assert value == pytest.approx(np.mean(expected), rel=1e-4)


def renamed(state: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Tensors of the authors' network as ``pyiqa`` calls them."""
    for name, tensor in state.items():
        if name.startswith("conv1."):
            yield name, tensor
        elif name.startswith("res.lda"):
            stage, kind = int(name[7]) - 1, name[9:]
            place = 0 if kind.startswith("pool") else (2 if stage == 3 else 3)
            yield f"lda_modules.{stage}.{place}.{name.rpartition('.')[2]}", tensor
        elif name.startswith("res."):
            yield f"base_model.{name[4:]}", tensor
        else:
            layer, kind = int(name[2]) - 1, name[3]
            inner = "" if kind == "w" and layer < 4 else "2."
            yield f"fc_{kind}_modules.{layer}.{inner}{name.rpartition('.')[2]}", tensor


@pytest.mark.slow
def test_hyperiqa_does_not_depend_on_the_batch(hyper):
    sample = samples.sample(turning(2))
    other = HyperIqa("random", crops=2, batch=1)
    other._network = hyper._network

    one, two = hyper.extract(sample), other.extract(sample)

    np.testing.assert_allclose(one, two, rtol=1e-5)
    assert abs(one[0] - one[1]) > 1e-3 * abs(one[0])
    assert hyper.random


def test_the_authors_file_fits():
    with torch.device("meta"):
        state = quality.hyper_network().state_dict()

    assert keys.digest(sorted([name, list(tensor.shape)] for name, tensor in state.items())) == NAMES


@pytest.mark.parametrize(("height", "width"), [(160, 160), (90, 130)])
def test_aesthetics_are_pyiqas(clip, height, width, tmp_path, monkeypatch):
    pytest.importorskip("pyiqa", reason="pyiqa is not installed: pip install charachbench[iqa]")
    for name in ("clip", "clip.simple_tokenizer"):  # of OpenAI, which needs a package that setuptools dropped
        monkeypatch.setitem(sys.modules, name, MagicMock())
    from pyiqa.archs import laion_aes_arch as laion
    from pyiqa.archs.arch_util import clip_preprocess_tensor
    from transformers import CLIPVisionModelWithProjection

    class Visual:
        class visual:  # noqa: N801 - the name there
            input_resolution = 42

    torch.manual_seed(1)
    head = laion.MLP(768).eval()
    torch.save(head.state_dict(), tmp_path / "head.pth")
    network = CLIPVisionModelWithProjection.from_pretrained(clip.model).eval()
    video = turning(3, height, width)
    with torch.no_grad():
        inputs = clip_preprocess_tensor(torch.from_numpy(video.frames).permute(0, 3, 1, 2) / 255, Visual)
        embeddings = network(inputs).image_embeds
        expected = head(embeddings / embeddings.norm(dim=1, keepdim=True))[:, 0].numpy()

    metric = LaionAesthetic(clip, str(tmp_path / "head.pth"), None)
    metric.load("cpu")
    values = metric.extract(samples.sample(video))

    assert np.ptp(expected) > 1e-4
    np.testing.assert_allclose(values, expected, rtol=1e-4)
    assert not metric.random


def test_aesthetics_of_a_frame_do_not_depend_on_others(clip):
    metric = LaionAesthetic(clip, "random", frames=2)
    metric.load("cpu")
    every = LaionAesthetic(clip, "random", frames=None)
    every.load("cpu")
    sample = samples.sample(turning(3))

    np.testing.assert_allclose(metric.extract(sample), every.extract(sample)[[0, 2]], rtol=1e-5)
    assert metric.random


def test_embeddings_of_another_length_are_refused(clip, monkeypatch):
    metric = LaionAesthetic(clip, "random")
    metric.load("cpu")
    monkeypatch.setattr(Clip, "embed", lambda self, frames: np.ones((len(frames), 512), np.float32))

    with pytest.raises(UserError, match=r"backbone\.model=.*length 512; accepted"):
        metric.extract(samples.sample(turning(1)))


def test_protocols_need_no_weights():
    assert LaionAesthetic(Clip()).protocol() == {
        "backbone": "Clip clip-vit-large-patch14",
        "weights": "32bd6428, head 21dd590f",
        "input": "middle square, bicubic, antialiased",
        "precision": "fp32",
        "frames": 16,
    }
    assert HyperIqa("random", frames=None, seed=3).protocol() == {
        "backbone": "HyperIQA",
        "weights": "random seed 3",
        "frames": "all",
        "input": "384 x 512 px, 10 crops of 224, seed 3",
    }


def test_missing_weights_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for variable in ("CHARACBENCH_WEIGHTS", "HOME", "XDG_CACHE_HOME", "TORCH_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setattr(Clip, "load", lambda self, device: None)

    with pytest.raises(UserError, match="laion_aesthetic"):
        LaionAesthetic(Clip()).load("cpu")
    monkeypatch.setattr(quality, "hyper_network", quality.aesthetic_head)  # which is built sooner
    with pytest.raises(UserError, match="hyperiqa"):
        HyperIqa().load("cpu")


def test_settings_are_checked():
    for setting in ("frames", "crops", "batch"):
        with pytest.raises(UserError, match=f"{setting}=0: accepted"):
            HyperIqa(**{setting: 0})
    with pytest.raises(UserError, match="seed=-1: accepted"):
        HyperIqa(seed=-1)
