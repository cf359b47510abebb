"""Against transformers' own networks, tiny and random, with Pillow's resizing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charachbench.errors import UserError
from metrics.backbones.transformer import Clip, DinoV2, _Transformer
from tests.metrics import samples

torch = pytest.importorskip("torch")

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
OPENAI = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a folder of every kind."""
    from transformers import (
        CLIPVisionConfig,
        CLIPVisionModelWithProjection,
        Dinov2Config,
        Dinov2Model,
        Dinov2WithRegistersConfig,
        Dinov2WithRegistersModel,
    )

    root = tmp_path_factory.mktemp("models")
    common: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "patch_size": 14}
    torch.manual_seed(0)
    dino = {**common, "mlp_ratio": 2, "image_size": 42, "layerscale_value": 1.0, "initializer_range": 0.3}
    Dinov2Model(Dinov2Config(**dino)).save_pretrained(root / "dinov2")
    Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**dino)).save_pretrained(root / "dinov2_with_registers")
    clip = {**common, "intermediate_size": 32, "projection_dim": 24, "image_size": 42, "initializer_factor": 5.0}
    CLIPVisionModelWithProjection(CLIPVisionConfig(**clip)).save_pretrained(root / "clip")
    return root


def loaded(backbone: _Transformer) -> _Transformer:
    backbone.load("cpu")
    return backbone


def frames(height: int, width: int, count: int = 3) -> np.ndarray:
    moved, _ = samples.move(samples.texture(), np.zeros((1, 2)), [samples.rotation(40 * n) for n in range(count)])
    return moved[:, :height, :width]


def resized(frame: np.ndarray, height: int, width: int) -> np.ndarray:
    """By Pillow in floating point: (height, width, 3)."""
    from PIL import Image

    planes = [
        Image.fromarray(np.float32(frame[..., c])).resize((width, height), Image.Resampling.BICUBIC) for c in range(3)
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=-1)


def normalised(pixels: np.ndarray, constants: tuple) -> Any:
    mean, std = np.array(constants)
    return torch.from_numpy(((pixels / 255 - mean) / std).transpose(2, 0, 1)[None]).float()


@pytest.mark.parametrize("kind", ["dinov2", "dinov2_with_registers"])
@pytest.mark.parametrize(("height", "width"), [(160, 160), (120, 90), (42, 42), (20, 33)])
def test_dinov2_is_the_class_token_of_the_whole_frame(models, kind, height, width):
    from transformers import AutoModel

    network = AutoModel.from_pretrained(models / kind).eval()
    given = frames(height, width)
    expected = []
    for frame in given:
        pixels = resized(frame, 42, 42).clip(0, 255)
        with torch.no_grad():
            expected.append(network(normalised(pixels, IMAGENET)).pooler_output[0].numpy())

    found = loaded(DinoV2(str(models / kind), None, size=42)).embed(given)

    assert found.dtype == np.float32
    assert np.ptp(expected, axis=0).max() > 0.1
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("height", "width", "to", "left", "top"),
    [(160, 160, (42, 42), 0, 0), (160, 90, (74, 42), 0, 16), (100, 130, (42, 54), 6, 0), (20, 33, (42, 69), 14, 0)],
)
def test_clip_is_the_projected_embedding_of_the_middle_square(models, height, width, to, left, top):
    from transformers import CLIPVisionModelWithProjection

    network = CLIPVisionModelWithProjection.from_pretrained(models / "clip").eval()
    given = frames(height, width)
    expected = []
    for frame in given:
        pixels = resized(frame, *to)[top : top + 42, left : left + 42]
        with torch.no_grad():
            expected.append(network(normalised(pixels, OPENAI)).image_embeds[0].numpy())

    found = loaded(Clip(str(models / "clip"), None)).embed(given)

    assert found.dtype == np.float32
    assert np.ptp(expected, axis=0).max() > 0.1
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["dinov2", "clip"])
def test_neither_batch_nor_order_matters(models, kind):
    def backbone(batch: int) -> _Transformer:
        folder = str(models / kind)
        return loaded(Clip(folder, None, batch=batch) if kind == "clip" else DinoV2(folder, None, 42, batch=batch))

    given = frames(90, 70, count=5)
    together = backbone(8).embed(given)

    np.testing.assert_allclose(backbone(2).embed(given[::-1])[::-1], together, rtol=1e-5, atol=1e-5)
    assert backbone(2).protocol() == backbone(8).protocol()


def test_other_precisions_come_close_and_are_told(models):
    given = frames(90, 70)
    exact, rough = (DinoV2(str(models / "dinov2"), None, 42, dtype=dtype) for dtype in ("fp32", "bf16"))

    assert exact.protocol()["precision"] != rough.protocol()["precision"]
    np.testing.assert_allclose(loaded(exact).embed(given), loaded(rough).embed(given), atol=0.2)


def test_protocol_needs_neither_network_nor_weights():
    assert DinoV2().protocol() == {
        "backbone": "DinoV2 dinov2-base",
        "weights": "f9e44c81",
        "input": "224 px, bicubic, antialiased",
        "precision": "fp32",
    }
    assert Clip().protocol()["weights"] == "32bd6428"


def test_weights_of_a_folder_are_told_apart(models):
    assert (
        Clip(str(models / "clip"), None).protocol()["weights"] != DinoV2(str(models / "dinov2")).protocol()["weights"]
    )


def test_models_of_another_kind_are_refused(models):
    with pytest.raises(UserError, match="model=.*is of type clip"):
        DinoV2(str(models / "clip"), None).build("cpu")


def test_settings_are_checked(models):
    with pytest.raises(UserError, match=r"size=43: accepted are multiples of the model's 14"):
        DinoV2(str(models / "dinov2"), None, size=43).build("cpu")
    with pytest.raises(UserError, match="size=0: accepted"):
        DinoV2(size=0)
    with pytest.raises(UserError, match="batch=0: accepted"):
        Clip(batch=0)
