import importlib
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from charachbench import weights
from charachbench.config import build
from charachbench.errors import UserError
from charachbench.protocols import Metric
from metrics.cotracker import CoTracker
from metrics.landmarks import Nme
from metrics.tracking import LucasKanade
from tests.metrics import samples

FRAMES = 5


class FakeNetwork(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.step = torch.nn.Parameter(torch.tensor([1.0, 2.0]))


class FakePredictor(torch.nn.Module):
    """The interface of ``CoTrackerPredictor``: points go straight ahead, and hide once they are past the right edge."""

    made = 0

    def __init__(self, checkpoint: str | None, offline: bool, v2: bool, window_len: int) -> None:
        super().__init__()
        assert (checkpoint, offline, v2, window_len) == (None, True, False, 60)
        type(self).made += 1
        self.model = FakeNetwork()
        torch.manual_seed(0)  # as importing the real one does

    def forward(self, video: torch.Tensor, queries: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        assert video.dtype == torch.float32
        assert video.shape[0] == 1 == queries.shape[0]
        assert video.shape[2] == 3
        assert 1 < video.max() <= 255
        assert (queries[0, :, 0] == 0).all()
        frames, width = video.shape[1], video.shape[4]
        time = torch.arange(frames)[:, None, None]
        tracks = (queries[0, None, :, 1:] + time * self.model.step)[None]
        return tracks, tracks[..., 0] < width


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> type[FakePredictor]:
    predictor = ModuleType("cotracker.predictor")
    predictor.CoTrackerPredictor = FakePredictor  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cotracker", ModuleType("cotracker"))
    monkeypatch.setitem(sys.modules, "cotracker.predictor", predictor)
    FakePredictor.made = 0
    return FakePredictor


def checkpoint(folder: Path, step: tuple[float, float] = (3.0, -1.0), wrapped: bool = False) -> str:
    path = folder / f"{step}.pth"
    state = {"step": torch.tensor(step)}
    torch.save({"model": state} if wrapped else state, path)
    return str(path)


def frames(count: int = FRAMES) -> np.ndarray:
    return np.repeat(samples.texture()[None], count, axis=0)


@pytest.mark.parametrize("wrapped", [False, True])
def test_tracks_are_the_networks(package: type[FakePredictor], tmp_path: Path, wrapped: bool) -> None:
    tracker = CoTracker(weights=checkpoint(tmp_path, (3.0, -1.0), wrapped))
    tracker.load("cpu")
    points, reliable = tracker.track(iter(frames()), samples.face())
    expected = samples.face() + np.arange(FRAMES)[:, None, None] * np.array([3, -1])
    assert points.dtype == np.float64
    assert points == pytest.approx(expected, abs=1e-4)
    assert np.array_equal(points[0], samples.face())
    assert reliable.dtype == bool
    assert reliable.tolist() == (expected[..., 0] < samples.SIZE).tolist()


def test_any_number_of_points_and_a_single_frame(package: type[FakePredictor], tmp_path: Path) -> None:
    tracker = CoTracker(weights=checkpoint(tmp_path, (1.0, 1.0)))
    tracker.load("cpu")
    grid = np.random.default_rng(0).uniform(0, 100, (7, 2))
    points, reliable = tracker.track(frames(3), grid, landmarks=False)
    assert points.shape == (3, 7, 2)
    assert reliable.all()
    alone, found = tracker.track(frames(1), grid, landmarks=False)
    assert np.array_equal(alone, grid[None])
    assert found.shape == (1, 7)


def test_loading_leaves_randomness_alone_and_happens_once(package: type[FakePredictor], tmp_path: Path) -> None:
    path = checkpoint(tmp_path, (2.0, 0.0))
    torch.manual_seed(7)
    expected = torch.rand(2)
    torch.manual_seed(7)
    for _ in range(2):
        CoTracker(weights=path).load("cpu")
    assert torch.equal(torch.rand(2), expected)
    assert package.made == 1


def test_a_metric_loads_and_uses_it(package: type[FakePredictor], tmp_path: Path) -> None:
    node = {
        "_target_": "metrics.landmarks.Nme",
        "tracker": {"_target_": "metrics.cotracker.CoTracker", "weights": checkpoint(tmp_path, (4.0, 0.0))},
    }
    metric = build(node, "metrics.nme", Metric)
    assert isinstance(metric, Nme)
    assert metric.protocol()["tracker"] == "CoTracker3 offline"
    metric.load("cpu")
    true = samples.face() + np.arange(1, FRAMES + 1)[:, None, None] * np.array([4, 0])
    video = samples.video(FRAMES, samples.SIZE)
    video.frames[:] = frames()
    sample = samples.sample(video, landmarks=samples.face(), truth_landmarks=true)
    assert metric.extract(sample) == pytest.approx(np.zeros(FRAMES), abs=1e-3)


def test_wrong_weights_are_refused(package: type[FakePredictor], tmp_path: Path) -> None:
    other, broken = tmp_path / "other.pth", tmp_path / "broken.pth"
    torch.save({"something": torch.zeros(3)}, other)
    broken.write_bytes(b"nothing")
    for path in (other, broken):
        with pytest.raises(UserError, match=r"(other|broken)\.pth: are not those of CoTracker3 offline"):
            CoTracker(weights=str(path)).load("cpu")


def test_missing_weights_are_named(
    package: type[FakePredictor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in (weights.VARIABLE, "HOME", "XDG_CACHE_HOME", "TORCH_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    with pytest.raises(UserError, match=r"'cotracker3_offline' not found .*scaled_offline\.pth"):
        CoTracker().load("cpu")


@pytest.mark.skipif(find_spec("cotracker") is not None, reason="the package cotracker is installed")
def test_a_missing_package_is_named_with_its_commit(tmp_path: Path) -> None:
    command = r"pip install git\+https://github.com/facebookresearch/co-tracker@[0-9a-f]{40}$"
    with pytest.raises(UserError, match=command):
        CoTracker(weights=checkpoint(tmp_path, (5.0, 5.0))).load("cpu")


def test_it_is_known_by_its_weights_wherever_they_lie(tmp_path: Path) -> None:
    first = CoTracker(weights=checkpoint(tmp_path, (1.0, 0.0)))
    (tmp_path / "elsewhere").mkdir()
    copy = tmp_path / "elsewhere" / "copy.pth"
    copy.write_bytes(Path(first.weights).read_bytes())
    assert CoTracker(weights=str(copy)).identity() == first.identity()
    assert CoTracker(weights=checkpoint(tmp_path, (0.0, 1.0))).identity() != first.identity()
    assert first.identity()["tracker"] != LucasKanade().identity()["tracker"]


@pytest.mark.slow
@pytest.mark.skipif(find_spec("cotracker") is None, reason="the package cotracker is not installed")
def test_the_real_package_with_random_weights(tmp_path: Path) -> None:
    package = importlib.import_module("cotracker.predictor")
    torch.manual_seed(1)
    predictor = package.CoTrackerPredictor(checkpoint=None, offline=True, v2=False, window_len=60)
    torch.save(predictor.model.state_dict(), tmp_path / "random.pth")
    tracker = CoTracker(weights=str(tmp_path / "random.pth"))
    tracker.load("cpu")
    video, points = frames(2)[:, :64, :64], np.array([[5.25, 7.5], [40, 20], [63, 0]])
    found, reliable = tracker.track(video, points, landmarks=False)
    queries = torch.tensor([[[0, x, y] for x, y in points.tolist()]])
    expected, visible = predictor(torch.from_numpy(video).permute(0, 3, 1, 2)[None].float(), queries=queries)
    assert found == pytest.approx(expected[0].numpy(), abs=1e-3)
    assert np.abs(found[1] - points).max() > 1e-2
    assert reliable.tolist() == visible[0].tolist()
