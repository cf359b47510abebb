import functools
import itertools
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional
from torch_fidelity import feature_extractor_inceptionv3 as library

from charachbench import random_weights
from charachbench.errors import UserError
from metrics.backbones.inception import Inception, clean_resize

STEM = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "MaxPool_1", "Conv2d_3b_1x1", "Conv2d_4a_3x3", "MaxPool_2")
LAYERS = (
    *STEM,
    *(f"Mixed_{name}" for name in ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c")),
    "AvgPool",
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights that stand in for trained ones, with scales and statistics that are not those of the start."""
    network = Inception("random", seed=5).build("cpu")
    rng = np.random.default_rng(0)
    state = network.state_dict()
    for name, tensor in state.items():
        if ".bn." in name and tensor.ndim:
            low, high = (-0.1, 0.1) if name.endswith(("bias", "mean")) else (0.8, 1.2)
            tensor.copy_(torch.from_numpy(rng.uniform(low, high, tensor.shape)))
    path: Path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def extractor(file: Path) -> library.FeatureExtractorInceptionV3:
    return library.FeatureExtractorInceptionV3("inception", ["2048"], str(file))


def loaded(*arguments, **options) -> Inception:
    backbone = Inception(*arguments, **options)
    backbone.load("cpu")
    return backbone


@functools.cache
def small() -> Inception:
    return loaded("random", size=75)


def frames(count: int, height: int, width: int, seed: int = 1) -> np.ndarray:
    square = random_weights.pictures(count, max(height, width), seed)
    return square[:, :height, :width]


def distance(first: np.ndarray, second: np.ndarray) -> float:
    """As a share of the length."""
    return float((np.linalg.norm(first - second, axis=1) / np.linalg.norm(second, axis=1)).max())


@pytest.mark.parametrize("shape", [(48, 80), (340, 300)])
def test_with_tensorflows_resizing_features_are_those_of_torch_fidelity(file, extractor, shape):
    images = frames(1, *shape)
    (expected,) = extractor(torch.from_numpy(images.copy()).permute(0, 3, 1, 2))
    made = loaded(str(file), resize="tensorflow").embed(images)
    assert (made.shape, made.dtype) == ((1, 2048), np.float32)
    np.testing.assert_allclose(made, expected, rtol=1e-4, atol=1e-5 * float(expected.max()))


@pytest.mark.parametrize("shape", [(48, 80), (340, 300)])
def test_with_clean_resizing_features_are_those_of_pillow_and_the_library_s_layers(file, extractor, shape):
    image = frames(1, *shape)[0]
    planes = [Image.fromarray(np.float32(image[..., colour]), mode="F") for colour in range(3)]
    resized = np.stack([np.clip(plane.resize((299, 299), Image.Resampling.BICUBIC), 0, 255) for plane in planes])
    values = (torch.from_numpy(resized)[None] - 128) / 128
    for name in LAYERS:
        values = getattr(extractor, name)(values)
    made = loaded(str(file)).embed(image[None])
    np.testing.assert_allclose(made, values.flatten(1), rtol=1e-4, atol=1e-5 * float(values.max()))


@pytest.mark.parametrize("shape", [(80, 100), (320, 200), (75, 75)])
def test_clean_resizing_is_antialiased_bicubic_interpolation(shape):
    image = frames(1, *shape)[0]
    inputs = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float()
    expected = functional.interpolate(inputs, (75, 75), mode="bicubic", antialias=True)[0].permute(1, 2, 0).clip(0, 255)
    np.testing.assert_allclose(clean_resize(image, 75), expected, atol=1e-3)


def test_features_do_not_depend_on_batch_and_order():
    images, order = frames(5, 60, 90), np.array([3, 0, 4, 2, 1])
    whole = small().embed(images)
    batched = loaded("random", size=75, batch=3).embed(images)
    assert distance(batched, whole) < 1e-5
    assert distance(small().embed(images[order]), whole[order]) < 1e-5
    assert distance(small().embed(images[4:5]), whole[4:5]) < 1e-5


@pytest.mark.parametrize("resize", ["clean", "tensorflow"])
def test_random_features_are_the_same_on_every_machine(resize):
    made = loaded("random", resize=resize, size=75).embed(frames(2, 80, 100))
    recorded = {
        "clean": [[0.3470415, 0.08321197, 0.1703633, 0.128681], [0.4350522, 0.09170452, 0.1950595, 0.1285793]],
        "tensorflow": [[0.3385164, 0.07873933, 0.1672732, 0.1268067], [0.4251293, 0.08888418, 0.193948, 0.1271254]],
    }
    np.testing.assert_allclose(made[:, [0, 397, 829, 1397]], recorded[resize], rtol=1e-4)


def test_neither_torchs_generator_nor_threads_matter():
    images, threads = frames(3, 80, 100), torch.get_num_threads()
    expected = small().embed(images)
    torch.manual_seed(9)
    small()._network = small().build("cpu")
    try:
        torch.set_num_threads(1)
        assert distance(small().embed(images), expected) < 1e-5
    finally:
        torch.set_num_threads(threads)


def test_random_features_follow_the_frames_by_degrees():
    images = frames(3, 90, 90)
    clean = small().embed(images)
    noise = np.random.default_rng(0).standard_normal(images.shape)

    def moved(changed: np.ndarray) -> float:
        return float(np.linalg.norm(small().embed(changed.clip(0, 255).astype(np.uint8)) - clean))

    by_noise = [moved(images + sigma * noise) for sigma in (2, 10, 50)]
    by_blur = [moved(np.stack([cv2.GaussianBlur(image, (0, 0), s) for image in images])) for s in (0.5, 1, 2)]
    float_error = np.linalg.norm(np.concatenate([small().embed(image[None]) for image in images]) - clean)
    for growing in (by_noise, by_blur):
        assert growing[0] > 300 * float_error
        assert all(more > 1.3 * less for less, more in itertools.pairwise(growing))
    spread = np.linalg.norm(clean - clean.mean(0))
    assert by_noise[0] < 0.3 * spread  # what is hardly visible does not move them as another picture does
    assert 0.01 * np.linalg.norm(clean) < spread


def test_seeds_give_other_features():
    images = frames(1, 80, 100)
    assert distance(loaded("random", seed=1, size=75).embed(images), small().embed(images)) > 0.1


def test_equal_backbones_share_a_network():
    assert loaded("random", size=75, batch=2)._network is loaded("random", size=75)._network


def test_protocol_names_weights_without_having_them(file):
    assert Inception().protocol() == {
        "backbone": "Inception-2015",
        "weights": "6726825d",
        "input": "299 px, clean",
    }
    own = Inception("random", seed=3, resize="tensorflow", size=128)
    assert own.protocol() == {
        "backbone": "Inception-2015",
        "weights": "random seed 3",
        "input": "128 px, tensorflow",
    }
    assert (own.random, Inception().random) == (True, False)
    assert len(str(Inception(str(file)).protocol()["weights"])) == 8


def test_missing_weights_are_not_downloaded(monkeypatch, tmp_path):
    monkeypatch.setenv("CHARACBENCH_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(library, "load_state_dict_from_url", lambda *_, **__: pytest.fail("downloads"))
    with pytest.raises(UserError, match=r"inception_2015.*not found"):
        Inception().load("cpu")
    Inception("random", size=75).build("cpu")


class Harmful:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_files_of_something_else_are_refused(tmp_path):
    paths = {name: tmp_path / f"{name}.pth" for name in ("text", "empty", "code", "part", "list")}
    paths["text"].write_text("not weights")
    paths["empty"].touch()
    paths["code"].write_bytes(pickle.dumps(Harmful(tmp_path / "touched"), protocol=2))
    torch.save({"fc.bias": torch.zeros(1008)}, paths["part"])
    torch.save([1], paths["list"])
    for path in paths.values():
        with pytest.raises(UserError, match=f"weights={path}"):
            Inception(str(path)).load("cpu")
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 128}, "size=128: accepted is 299"),
        ({"weights": "random", "size": 74}, "size=74"),
        ({"weights": "random", "size": 300}, "size=300"),
        ({"batch": 0}, "batch=0"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(UserError, match=message):
        Inception(**settings)


def test_the_least_size_is_what_the_network_can_take():
    assert small().embed(frames(1, 75, 75)).any()
    backbone = Inception("random", size=75)
    backbone._network, backbone.size = small()._network, 74
    with pytest.raises(RuntimeError):
        backbone.embed(frames(1, 75, 75))
