"""Against the network of insightface's ``arcface_torch``, whose outputs and names of tensors are recorded here."""

from pathlib import Path

import numpy as np
import pytest

from charachbench import keys, weights
from charachbench.errors import UserError
from charachbench.random_weights import initialise
from metrics.backbones import arcface
from metrics.backbones.arcface import ArcFace
from tests.metrics import samples

torch = pytest.importorskip("torch")

NAMES = {
    "r18": "c8e572555d3e83f83a7d336ae45fc852547ab5092ae389704daf028bec111b3b",
    "r50": "72c5374ba8442881cfab449034dcb291a7323e54754c512f38eb00f94b7f000f",
    "r100": "f63891efe9d3b143249c5433089c4b6c089f41b0dc6e9f326286e2d8fe845a20",
}
"""Digest of the names and shapes of all tensors of ``iresnet18``, ``iresnet50`` and ``iresnet100`` there."""
RECORDED = [
    [-0.224942, 0.782526, 0.558068, -0.344904, 0.206305, 0.0637759],
    [0.138209, -0.029596, 0.449199, -0.871916, -0.777902, -0.357157],
]
"""First outputs of ``iresnet18`` there for two pictures of noise: weights by ``initialise``, statistics 0.1 and 2."""


@pytest.fixture(scope="module")
def backbone() -> ArcFace:
    made = ArcFace("random", "r18")
    made.load("cpu")
    return made


def noise(count: int, size: int = 112) -> np.ndarray:
    raw = np.random.PCG64(4).random_raw(count * size * size * 3)
    return raw.astype(np.uint8).reshape(count, size, size, 3)


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


@pytest.mark.parametrize("depth", NAMES)
def test_published_files_fit(depth):
    with torch.device("meta"):
        state = arcface._network(arcface.DEPTHS[depth]).state_dict()

    assert keys.digest(sorted([name, list(tensor.shape)] for name, tensor in state.items())) == NAMES[depth]


def test_computes_what_arcface_torch_computes(tmp_path):
    network = arcface._network(arcface.DEPTHS["r18"])
    initialise(network, 3)
    for name, buffer in network.named_buffers():
        if not name.endswith("tracked"):
            buffer.fill_(0.1 if name.endswith("mean") else 2)
    torch.save(network.state_dict(), tmp_path / "backbone.pth")
    backbone = ArcFace(str(tmp_path / "backbone.pth"), "r18")
    backbone.load("cpu")

    embeddings = backbone.embed(noise(2))

    assert embeddings.dtype == np.float32
    assert embeddings.shape == (2, 512)
    np.testing.assert_allclose(embeddings[:, :6], RECORDED, rtol=1e-4, atol=1e-4)
    assert not backbone.random
    assert backbone.protocol()["weights"] == weights.fingerprint(backbone.weights)


def test_nearest_is_torchs_default():
    frames = noise(1, 224)

    inputs = arcface._inputs(frames, "nearest").numpy()

    np.testing.assert_allclose(inputs, frames[:, ::2, ::2].transpose(0, 3, 1, 2) / 127.5 - 1, atol=1e-6)


@pytest.mark.parametrize("shape", [(256, 256), (300, 190), (80, 112)])
def test_bilinear_is_antialiased(shape):
    from PIL import Image

    frame = noise(1, 300)[0, : shape[0], : shape[1]]
    planes = [Image.fromarray(plane).resize((112, 112), Image.Resampling.BILINEAR) for plane in _planes(frame)]

    inputs = arcface._inputs(frame[None], "bilinear").numpy()

    np.testing.assert_allclose(inputs[0], np.stack([np.asarray(plane) for plane in planes]) / 127.5 - 1, atol=5e-5)


def _planes(frame: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(frame.transpose(2, 0, 1), dtype=np.float32)


def test_neither_batch_nor_order_matters(backbone):
    frames, _ = samples.move(samples.texture(), np.zeros((1, 2)), [samples.rotation(angle) for angle in (0, 30, 60)])
    together = backbone.embed(frames)
    small = ArcFace("random", "r18", batch=2)
    small.load("cpu")

    assert small._network is backbone._network
    np.testing.assert_allclose(small.embed(frames[::-1]), together[::-1], rtol=1e-5, atol=1e-5)


def test_random_weights_see_what_changes(backbone):
    texture = samples.texture()
    frames, _ = samples.move(texture, np.zeros((1, 2)), [samples.rotation(angle) for angle in (0, 2, 90)])
    same, near, far = backbone.embed(frames)
    black, white, other = backbone.embed(np.stack([0 * texture, 0 * texture + 255, texture[..., ::-1]]))

    assert cosine(same, near) > cosine(same, far) + 0.1
    assert max(cosine(same, far), cosine(same, black), cosine(same, other), cosine(black, white)) < 0.9
    assert np.isfinite([black, white]).all()


@pytest.mark.slow
def test_seeds_give_networks_of_their_own(monkeypatch):
    monkeypatch.setattr(arcface, "calibrate", lambda network, forward: None)  # takes the time, not the seed
    one, same, other = (ArcFace("random", "r18", seed=seed) for seed in (0, 0, 1))
    first, again, different = (made.build("cpu").conv1.weight for made in (one, same, other))

    assert torch.equal(first, again)
    assert not torch.isclose(first, different).any()
    assert one.random
    assert other.protocol() == one.protocol() | {"weights": "random seed 1"}


def test_protocol_needs_no_file():
    assert ArcFace(resize="nearest").protocol() == {
        "backbone": "ArcFace r100",
        "weights": "5f631718",
        "input": "112 px, nearest",
    }


def test_weights_of_another_network_are_refused(tmp_path: Path):
    torch.save({"conv1.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "other.pth")

    with pytest.raises(UserError, match=r"weights=.*other\.pth"):
        ArcFace(str(tmp_path / "other.pth"), "r18").load("cpu")


def test_missing_weights_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for variable in ("CHARACBENCH_WEIGHTS", "HOME", "XDG_CACHE_HOME", "TORCH_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))

    with pytest.raises(UserError, match="arcface_r100"):
        ArcFace(depth="r18").load("cpu")


def test_settings_are_checked():
    with pytest.raises(UserError, match="batch=0: accepted"):
        ArcFace(batch=0)
