"""Against transformers' own backbones, with tiny networks of random weights."""

import copy
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charachbench.errors import UserError
from methods.faceshot.features.dinov2 import DinoV2

torch = pytest.importorskip("torch")

PATCH, DEPTH, WIDTH, SIZE = 14, 3, 16, 70
KINDS = ("dinov2", "dinov2_with_registers")


def images(count: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (SIZE, SIZE, 3), np.uint8) for _ in range(count)]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a folder of every kind."""
    from transformers import Dinov2Config, Dinov2Model, Dinov2WithRegistersConfig, Dinov2WithRegistersModel

    root = tmp_path_factory.mktemp("dinov2")
    settings: dict[str, Any] = {
        "hidden_size": WIDTH,
        "num_hidden_layers": DEPTH,
        "num_attention_heads": 2,
        "mlp_ratio": 2,
        "image_size": 4 * PATCH,
        "patch_size": PATCH,
        "layerscale_value": 1.0,
        "initializer_range": 0.3,
    }
    torch.manual_seed(0)
    Dinov2Model(Dinov2Config(**settings)).save_pretrained(root / "dinov2")
    registered = Dinov2WithRegistersConfig(num_register_tokens=4, **settings)
    Dinov2WithRegistersModel(registered).save_pretrained(root / "dinov2_with_registers")
    return root


@pytest.fixture(scope="session")
def dinov2(models: Path) -> Callable[..., DinoV2]:
    @functools.cache
    def make(kind: str = "dinov2", **options: Any) -> DinoV2:
        features = DinoV2(str(models / kind), **{"size": SIZE, "batch": 2, **options})
        features.load("cpu")
        return features

    return make


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """For networks as tiny as these, several threads cost far more than they bring."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def alike(found: np.ndarray, expected: np.ndarray) -> bool:
    return found.shape == expected.shape and bool(np.abs(found - expected).max() < 1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layer", [1, 2, None])
def test_features_are_the_maps_of_the_backbone(
    models: Path, dinov2: Callable[..., DinoV2], kind: str, layer: int | None
) -> None:
    from transformers import BitImageProcessor, Dinov2Backbone, Dinov2WithRegistersBackbone

    known: dict[str, Any] = {"dinov2": Dinov2Backbone, "dinov2_with_registers": Dinov2WithRegistersBackbone}
    backbone = known[kind].from_pretrained(models / kind, out_features=[f"stage{layer or DEPTH}"])
    processor = BitImageProcessor(
        do_resize=False, do_center_crop=False, image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225]
    )
    with torch.no_grad():
        [expected] = backbone(processor(images(), return_tensors="pt").pixel_values).feature_maps
    found = dinov2(kind, layer=layer).extract(images())
    assert found.dtype == np.float32
    assert found.shape == (3, WIDTH, SIZE // PATCH, SIZE // PATCH)
    assert alike(found, np.asarray(expected))


@pytest.mark.parametrize("kind", KINDS)
def test_cells_lie_where_they_look(models: Path, kind: str) -> None:
    """Without blocks and positions a cell sees its own patch alone."""
    features = DinoV2(str(models / kind), size=SIZE)
    features.load("cpu")
    features._network.encoder.layer = torch.nn.ModuleList()
    features._network.embeddings.position_embeddings.data.zero_()
    image = images(1)[0]
    changed = image.copy()
    changed[3 * PATCH : 4 * PATCH, PATCH : 2 * PATCH] ^= 255
    before, after = features.extract([image, changed])
    assert np.argwhere((before != after).any(axis=0)).tolist() == [[3, 1]]


@pytest.mark.parametrize("kind", KINDS)
def test_features_do_not_depend_on_the_images_beside(dinov2: Callable[..., DinoV2], kind: str) -> None:
    features = dinov2(kind)
    together = features.extract(images())
    assert np.array_equal(features.extract(images()), together)
    for index, image in enumerate(images()):
        assert alike(features.extract([image])[0], together[index])


def test_lower_precision_gives_almost_the_same(dinov2: Callable[..., DinoV2]) -> None:
    exact, rough = dinov2().extract(images(1)), dinov2(dtype="bf16").extract(images(1))
    assert rough.dtype == np.float32
    assert 0.99 < np.corrcoef(exact.ravel(), rough.ravel())[0, 1] < 1


def test_missing_and_wrong_weights_are_named(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import ViTConfig, ViTModel

    def no_network(*args: Any, **options: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", no_network)
    for missing in (lambda: DinoV2().load("cpu"), lambda: DinoV2().fingerprint()):
        with pytest.raises(UserError, match=r"features\.model=facebook/dinov2-base.*features\.model=DIR"):
            missing()
    with pytest.raises(UserError, match=r"features\.model=\./nowhere: no such folder"):
        DinoV2("./nowhere").load("cpu")
    other = ViTConfig(hidden_size=WIDTH, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    ViTModel(other).save_pretrained(tmp_path / "vit")
    with pytest.raises(UserError, match=r"is of type vit; accepted are dinov2, dinov2_with_registers"):
        DinoV2(str(tmp_path / "vit")).load("cpu")


def test_fingerprints_follow_the_weights(models: Path) -> None:
    first, second = (DinoV2(str(models / kind)).fingerprint() for kind in KINDS)
    assert first != second
    assert first == DinoV2(str(models / "dinov2")).fingerprint()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 512}, r"features\.size=512: accepted are multiples of 14, the nearest are 504 and 518"),
        ({"size": 13}, r"features\.size=13: accepted are multiples of 14, the nearest are 14"),
        ({"size": 0}, r"features\.size=0"),
        ({"layer": DEPTH + 1}, r"features\.layer=4: accepted are null and whole numbers from 1 to 3"),
        ({"layer": 0}, r"features\.layer=0"),
        ({"batch": 0}, r"features\.batch=0"),
    ],
)
def test_wrong_settings_are_refused(dinov2: Callable[..., DinoV2], options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        dinov2(**options)


def test_guides_trouble_with_memory_and_infinite_features_are_said(
    dinov2: Callable[..., DinoV2], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any, **options: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(UserError, match="take no guides"):
        dinov2().extract(images(), np.zeros((3, 8), np.float32))
    features = copy.deepcopy(dinov2())
    with torch.no_grad():
        features._network.layernorm.bias.fill_(torch.nan)
    with pytest.raises(UserError, match="not finite"):
        features.extract(images())
    monkeypatch.setattr(features._network, "forward", full)
    with pytest.raises(UserError, match=r"too little free memory.*features\.batch"):
        features.extract(images())


def test_the_configuration_is_the_defaults() -> None:
    from hydra import compose, initialize_config_module
    from hydra.utils import instantiate

    with initialize_config_module("conf", version_base="1.3"):
        made = instantiate(compose("features/dinov2").features)
    assert type(made) is DinoV2
    assert vars(made) == vars(DinoV2())
