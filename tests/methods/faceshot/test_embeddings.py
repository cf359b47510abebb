from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import conf
from charachbench import config
from charachbench.errors import UserError
from charachbench.pretrained import Precision
from methods.faceshot.embeddings import Clip, Edges, Embedding

PRESETS = Path(conf.__file__).parent / "embedding"


def crops(seed: int = 0) -> list[np.ndarray]:
    """Of several sizes, some of them awkward."""
    sizes = [(40, 50), (3, 40), (90, 30), (1, 1), (32, 32)]
    return [np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]


def cosine(first: np.ndarray, second: np.ndarray) -> float:
    return float(first @ second / (np.linalg.norm(first) * np.linalg.norm(second)))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny CLIP image encoder with random weights."""
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

    folder = tmp_path_factory.mktemp("clip")
    torch.manual_seed(0)
    layers: dict[str, Any] = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    CLIPVisionModelWithProjection(
        CLIPVisionConfig(**layers, image_size=32, patch_size=8, projection_dim=12)
    ).save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def loaded(folder: Path, **options: Any) -> Clip:
    embedding = Clip(str(folder), **options)
    embedding.load("cpu")
    return embedding


def test_clip_is_that_of_transformers(clip: Path) -> None:
    from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

    network, processor = CLIPVisionModelWithProjection.from_pretrained(clip), CLIPImageProcessor.from_pretrained(clip)
    embedded = loaded(clip).embed(crops())
    with torch.no_grad():
        for crop, vector in zip(crops(), embedded, strict=True):
            pixels = processor(images=Image.fromarray(crop), return_tensors="pt").pixel_values
            assert vector == pytest.approx(network(pixels).image_embeds[0].numpy(), abs=1e-5)
    assert embedded.dtype == np.float32
    assert embedded.shape == (5, 12)
    assert abs(np.linalg.norm(embedded, axis=1) - 1).min() > 0.01


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_a_batch_decides_nothing(clip: Path, batch: int) -> None:
    assert loaded(clip, batch=batch).embed(crops()) == pytest.approx(loaded(clip, batch=100).embed(crops()), abs=1e-5)


@pytest.mark.parametrize(("dtype", "tolerance"), [("fp16", 0.02), ("bf16", 0.1)])
def test_half_precision_is_near(clip: Path, dtype: Precision, tolerance: float) -> None:
    half, full = loaded(clip, dtype=dtype).embed(crops()), loaded(clip).embed(crops())
    assert half.dtype == np.float32
    assert not np.array_equal(half, full)
    assert half == pytest.approx(full, abs=tolerance)


def test_the_fingerprint_is_of_the_weights(clip: Path) -> None:
    before = Clip(str(clip)).fingerprint()
    assert Clip(str(clip), batch=1).fingerprint() == before
    weights = clip / "model.safetensors"
    kept = weights.read_bytes()
    try:
        weights.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
        assert Clip(str(clip)).fingerprint() != before
    finally:
        weights.write_bytes(kept)


def test_missing_weights_name_the_setting(tmp_path: Path, clip: Path) -> None:
    embedding = Clip(str(tmp_path / "nowhere"))
    for ask in (embedding.fingerprint, lambda: embedding.load("cpu")):
        with pytest.raises(UserError, match=r"embedding\.model=.*nowhere: no such folder"):
            ask()


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (Clip, {"batch": 0}, r"embedding\.batch=0"),
        (Edges, {"cells": 0}, r"embedding\.cells=0"),
    ],
)
def test_wrong_settings_are_refused(kind: type[Embedding], arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        kind(**arguments)


@pytest.mark.parametrize("name", ["clip", "edges"])
def test_a_preset_is_the_default(name: str) -> None:
    node = yaml.safe_load((PRESETS / f"{name}.yaml").read_text())
    embedding = config.build(node, "embedding", Embedding)
    assert vars(embedding) == vars(type(embedding)())


def test_the_edges_say_in_which_direction() -> None:
    stripes = np.repeat((np.arange(64) // 4 % 2 * 255).astype(np.uint8)[None], 64, axis=0)
    upright, level = (np.repeat(image[..., None], 3, axis=2) for image in (stripes, stripes.T))
    first, second = Edges().embed([upright, level]).reshape(2, 64, 8)
    assert len({*first.argmax(axis=1)}) == len({*second.argmax(axis=1)}) == 1
    assert first.argmax() % 8 != second.argmax() % 8
    assert cosine(first.ravel(), second.ravel()) < 0.1


def test_a_crop_is_known_again_at_another_size() -> None:
    small = cv2.GaussianBlur(crops()[0], (0, 0), 3)
    large = cv2.resize(small, None, fx=3, fy=3, interpolation=cv2.INTER_LINEAR)
    first, second, other = Edges().embed([small, large, small[::-1]])
    assert cosine(first, second) > 0.98 > cosine(first, other)


def test_edges_takes_any_size_and_each_alone() -> None:
    together = Edges().embed(crops())
    assert together.dtype == np.float32
    assert np.isfinite(together).all()
    assert np.array_equal(together, np.concatenate([Edges().embed([crop]) for crop in crops()]))
