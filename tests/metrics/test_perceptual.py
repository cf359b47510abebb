import copy
import itertools
from pathlib import Path

import cv2
import lpips
import numpy as np
import pytest
import torch
import torchvision

from charachbench import random_weights
from charachbench.errors import Unscored, UserError
from charachbench.video import Video
from metrics.perceptual import Lpips
from tests.metrics import samples

NETS = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}
TAPS = {"alex": (1, 4, 7, 9, 11), "vgg": (3, 8, 15, 22, 29), "squeeze": (1, 4, 7, 9, 10, 11, 12)}
"""Of torchvision's layers, after which the paper compares features."""
LEAST = {"alex": 31, "vgg": 16, "squeeze": 17}


def truth(count: int = 3, height: int = 64, width: int = 72) -> np.ndarray:
    return random_weights.pictures(count, max(height, width), seed=1)[:, :height, :width]


def noisy(frames: np.ndarray, sigma: float = 20) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal(frames.shape)
    return (frames + sigma * noise).clip(0, 255).astype(np.uint8)


def score(metric: Lpips, made: np.ndarray, true: np.ndarray) -> np.ndarray:
    return metric.extract(samples.sample(Video(made, 25), truth=Video(true, 25)))


def loaded(*arguments, **options) -> Lpips:
    metric = Lpips(*arguments, **options)
    metric.load("cpu")
    return metric


@pytest.fixture(scope="module", params=NETS)
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """A net's name, torchvision's features with weights that stand in for trained ones, and a file of them."""
    with torch.device("meta"):
        features = getattr(torchvision.models, NETS[request.param])(weights=None).features
    features.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(0)
    for parameter in features.parameters():
        scale = (2 / parameter[0].numel()) ** 0.5 if parameter.ndim > 1 else 0.1
        parameter.data.copy_(scale * torch.randn(parameter.shape, generator=generator))
    path = tmp_path_factory.mktemp("weights") / f"{request.param}.pth"
    state = {f"features.{name}": tensor for name, tensor in features.state_dict().items()}
    torch.save({**state, "classifier.1.bias": torch.zeros(3)}, path)
    return request.param, features, path


def by_definition(net: str, features: torch.nn.Sequential, linear: bool, made: np.ndarray, true: np.ndarray):
    """Equation 1 of the paper in double precision, with the colour shift and scale of the package."""
    weights = torch.load(Path(lpips.__file__).parent / f"weights/v0.1/{net}.pth", map_location="cpu", weights_only=True)
    shift, scale = np.array([-0.030, -0.088, -0.188]), np.array([0.458, 0.448, 0.450])
    values = [torch.from_numpy(((f / 255 * 2 - 1) - shift) / scale).permute(0, 3, 1, 2) for f in (made, true)]
    total, layers = torch.zeros(len(made), dtype=torch.float64), 0
    with torch.no_grad():
        for index, layer in enumerate(copy.deepcopy(features).double()):
            values = [layer(value) for value in values]
            if index in TAPS[net]:
                one, other = (value / value.norm(dim=1, keepdim=True).clamp(min=1e-10) for value in values)
                per_channel = weights[f"lin{layers}.model.1.weight"].double().reshape(-1) if linear else 1
                total = total + (((one - other) ** 2).movedim(1, -1) * per_channel).sum(-1).mean((1, 2))
                layers += 1
    return total.numpy()


def test_distances_are_those_of_the_definition(network):
    net, features, file = network
    true = truth()
    made = loaded(net, str(file))
    expected = by_definition(net, features, True, noisy(true), true)
    np.testing.assert_allclose(score(made, noisy(true), true), expected, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:The parameter 'pretrained'", "ignore:Arguments other than a weight")
def test_distances_are_those_of_the_package(network):
    net, features, file = network
    with torch.device("meta"):
        package = lpips.LPIPS(net=net, pnet_rand=True, pretrained=False, verbose=False)
    package.net.to_empty(device="cpu")
    package.lins.to_empty(device="cpu")
    for module in package.net.children():
        module.load_state_dict({name: features.state_dict()[name] for name in module.state_dict()})
    path = Path(lpips.__file__).parent / f"weights/v0.1/{net}.pth"
    missed = package.load_state_dict(torch.load(path, map_location="cpu", weights_only=True), strict=False)
    assert not missed.unexpected_keys
    true = truth()
    made = loaded(net, str(file))
    with torch.no_grad():
        pairs = zip(noisy(true), true, strict=True)
        expected = [package(lpips.im2tensor(one), lpips.im2tensor(other)).item() for one, other in pairs]
    np.testing.assert_allclose(score(made, noisy(true), true), expected, rtol=1e-5)


def test_random_distances_are_the_baseline_s(network):
    net, features, _file = network
    metric, own = loaded(net, "random", seed=2), copy.deepcopy(features)
    own.load_state_dict({name.split(".", 1)[1]: tensor for name, tensor in metric._network.net.state_dict().items()})
    expected = by_definition(net, own, False, noisy(truth()), truth())
    np.testing.assert_allclose(score(metric, noisy(truth()), truth()), expected, rtol=1e-5)


@pytest.mark.parametrize("net", ["alex", "squeeze"])
def test_random_distances_are_the_same_on_every_machine(net):
    recorded = {"alex": [0.2342294, 0.2050615, 0.162438], "squeeze": [0.3055899, 0.2703228, 0.227563]}
    np.testing.assert_allclose(score(loaded(net, "random"), noisy(truth()), truth()), recorded[net], rtol=1e-4)


def test_neither_torchs_generator_nor_threads_matter():
    expected, threads = score(loaded("alex", "random"), noisy(truth()), truth()), torch.get_num_threads()
    torch.manual_seed(5)
    before = torch.get_rng_state()
    metric = Lpips("alex", "random")
    metric._network = metric._build()
    assert torch.equal(torch.get_rng_state(), before)
    try:
        torch.set_num_threads(1)
        np.testing.assert_allclose(score(metric, noisy(truth()), truth()), expected, rtol=1e-5)
    finally:
        torch.set_num_threads(threads)


def test_equal_frames_have_distance_0_and_order_does_not_matter():
    metric, true = loaded("alex", "random"), truth()
    assert not score(metric, true, true).any()
    np.testing.assert_allclose(score(metric, noisy(true), true), score(metric, true, noisy(true)), rtol=1e-5)
    backwards = score(metric, noisy(true)[::-1], true[::-1])[::-1]
    np.testing.assert_allclose(backwards, score(metric, noisy(true), true), rtol=1e-5)


def test_distances_grow_with_the_damage():
    metric, true = loaded("alex", "random"), truth()
    by_noise = [score(metric, noisy(true, sigma), true).mean() for sigma in (3, 10, 30)]
    blurred = [np.stack([cv2.GaussianBlur(frame, (0, 0), s) for frame in true]) for s in (0.5, 1, 2)]
    by_blur = [score(metric, made, true).mean() for made in blurred]
    for growing in (by_noise, by_blur):
        assert growing[0] > 1e-3
        assert all(more > 1.3 * less for less, more in itertools.pairwise(growing))


def test_batches_do_not_matter():
    true = truth(5)
    whole = score(loaded("alex", "random"), noisy(true), true)
    assert (whole.shape, whole.dtype) == ((5,), np.float64)
    for batch in (1, 3):
        np.testing.assert_allclose(score(loaded("alex", "random", batch=batch), noisy(true), true), whole, rtol=1e-5)


def test_a_few_frames_are_spread_evenly():
    true = truth(9)
    whole = score(loaded("alex", "random"), noisy(true), true)
    few = score(loaded("alex", "random", frames=3), noisy(true), true)
    np.testing.assert_allclose(few, whole[[0, 4, 8]], rtol=1e-5)
    single = score(loaded("alex", "random", frames=1), noisy(true[:1]), true[:1])
    np.testing.assert_allclose(single, whole[:1], rtol=1e-5)


@pytest.mark.filterwarnings("error")
def test_black_frames_have_a_distance():
    black = np.zeros_like(truth())
    metric = loaded("alex", "random")
    assert not score(metric, black, black).any()
    assert np.isfinite(score(metric, black, truth())).all()


def test_videos_of_other_sizes_or_lengths_are_unscored():
    metric = loaded("alex", "random")
    with pytest.raises(Unscored, match="the video has 2 frames of 64 x 72 pixels, the truth 3 frames of 64 x 72"):
        score(metric, truth()[:2], truth())
    with pytest.raises(Unscored, match="the video has 3 frames of 60 x 72 pixels, the truth 3 frames of 64 x 72"):
        score(metric, truth()[:, :60], truth())
    with pytest.raises(Unscored, match="the true video is not known"):
        metric.extract(samples.sample(Video(truth(), 25)))
    without = samples.sample(Video(truth(), 25), truth=Video(truth(), 25))
    without.made = None
    with pytest.raises(Unscored, match="the method made no video"):
        metric.extract(without)


@pytest.mark.parametrize("net", NETS)
def test_frames_too_small_for_the_network_are_unscored(net):
    metric, least = loaded(net, "random"), LEAST[net]
    frames = truth(1, least, least + 9)
    assert score(metric, noisy(frames), frames) > 0
    with pytest.raises(Unscored, match=f"{least - 1} x {least + 9} pixels: LPIPS {net} needs at least {least}"):
        score(metric, noisy(frames[:, 1:]), frames[:, 1:])


def test_metrics_of_equal_networks_share_them():
    one, other, another = (
        loaded("alex", "random"),
        loaded("alex", "random", frames=2, batch=1),
        loaded("alex", "random", 1),
    )
    assert one._network is other._network
    assert one._network is not another._network


def test_protocol_names_weights_without_having_them():
    metric = Lpips()
    assert not metric.random
    assert metric.protocol() == {
        "backbone": "LPIPS alex",
        "weights": "7be5be79",
        "linear weights": "LPIPS 0.1",
        "input": "own size",
        "frames": "all",
        "reference": "truth",
    }
    own = Lpips("vgg", "random", seed=4, frames=8)
    assert own.random
    assert own.protocol() == {
        "backbone": "LPIPS vgg",
        "weights": "random seed 4",
        "linear weights": "none",
        "input": "own size",
        "frames": 8,
        "reference": "truth",
    }
    assert [Lpips("vgg").protocol()["weights"], Lpips("squeeze").protocol()["weights"]] == ["397923af", "b8a52dc0"]


def test_missing_weights_are_not_downloaded(monkeypatch, tmp_path):
    for variable in ("CHARACBENCH_WEIGHTS", "TORCH_HOME", "HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *_, **__: pytest.fail("downloads"))
    with pytest.raises(UserError, match="alexnet.*not found"):
        Lpips().load("cpu")


def test_weights_of_another_network_are_refused(network, tmp_path):
    net, _features, file = network
    other = next(name for name in NETS if name != net)
    with pytest.raises(UserError, match=f"weights={file}"):
        Lpips(other, str(file)).load("cpu")
    state = torch.load(file, weights_only=True)
    for change in ({"features.99.weight": torch.zeros(3)}, {"features.0.bias": None}):
        changed = {name: tensor for name, tensor in {**state, **change}.items() if tensor is not None}
        torch.save(changed, tmp_path / "changed.pth")
        with pytest.raises(UserError, match="changed.pth"):
            Lpips(net, str(tmp_path / "changed.pth")).load("cpu")


@pytest.mark.parametrize("settings", [{"frames": 0}, {"batch": 0}])
def test_settings_are_checked(settings):
    with pytest.raises(UserError, match=f"{next(iter(settings))}=0"):
        Lpips(**settings)
