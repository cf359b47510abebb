import sys

import numpy as np
import pytest

from charachbench.errors import UserError
from charachbench.video import Video
from metrics.pyiqa_score import PyiqaScore
from tests.metrics import samples

pytest.importorskip("pyiqa", reason="needs the extra [iqa]", exc_type=ImportError)


def score(metric: PyiqaScore, frames: np.ndarray) -> np.ndarray:
    metric.load("cpu")
    return metric.extract(samples.sample(Video(frames, 25)))


def test_a_measure_is_pyiqas_own() -> None:
    import pyiqa
    import torch

    frames = np.stack([samples.texture(), samples.texture() // 2, samples.texture()[::-1] // 3])
    for name, direction in (("entropy", "up"), ("piqe", "down")):
        measure = pyiqa.create_metric(name, device="cpu")
        expected = [
            float(measure(torch.from_numpy(f.transpose(2, 0, 1).copy())[None].float() / 255).squeeze()) for f in frames
        ]
        assert len(set(expected)) == 3
        assert score(PyiqaScore(name, direction, frames=None), frames) == pytest.approx(expected, rel=1e-5)  # type: ignore[arg-type]


def test_flat_frames_have_no_entropy() -> None:
    assert score(PyiqaScore("entropy"), np.full((2, 32, 32, 3), 90, np.uint8)) == pytest.approx([0, 0], abs=1e-5)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (PyiqaScore("nothing"), "name=nothing: pyiqa has no such measure without reference; it has .*musiq"),
        (PyiqaScore("piqe", "up"), "direction=up: of piqe, pyiqa says the opposite is better"),
    ],
)
def test_wrong_settings_are_told(metric: PyiqaScore, message: str) -> None:
    with pytest.raises(UserError, match=message):
        metric.load("cpu")


def test_weights_that_cannot_be_had_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(name: str, device: str) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("pyiqa.create_metric", offline)
    with pytest.raises(UserError, match=r"name=niqe: pyiqa cannot make it, or .* weights .*no route to host"):
        PyiqaScore("niqe", "down").load("cpu")


def test_without_the_package_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    with pytest.raises(UserError, match=r"pip install charachbench\[iqa\]"):
        PyiqaScore().load("cpu")
