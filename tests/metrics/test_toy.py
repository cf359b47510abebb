"""All metrics of the demo on the toy benchmark, whose truth is known: the true video must beat a still image."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from charachbench import config, video
from charachbench.benchmark.toy.build import build
from charachbench.protocols import Metric, Sample
from charachbench.video import Video
from tests.composed import settings
from tests.metrics import samples


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("toy") / "toy"
    build(root, characters=2, drivers=1, frames=12, size=192)
    return root


def finished(root: Path, truth: Path) -> tuple[Sample, Sample]:
    """The truth handed in as a result, and the character's image in every frame."""
    character, driver = truth.stem.split("__")
    image_file = next(root.glob(f"characters/*/{character}.png"))
    image = np.asarray(Image.open(image_file).convert("RGB"))
    true = video.read(truth)
    still = Video(np.repeat(image[None], len(true), axis=0), true.fps)
    oracle, floor = (
        samples.sample(
            made,
            image=image,
            landmarks=np.load(image_file.with_suffix(".npy")),
            driver=np.load(root / "drivers" / f"{driver}.npy"),
            truth=true,
            truth_landmarks=np.load(truth.with_suffix(".npy")),
        )
        for made in (true, still)
    )
    return oracle, floor


def test_the_oracle_beats_a_still_image_on_every_metric_but_flicker(root: Path) -> None:
    truths = sorted((root / "truth").glob("*.mkv"))
    assert len(truths) == 2
    nodes = settings("metrics=demo").metrics
    for name in ("nme", "nme_auc", "motion_error", "psnr", "ssim", "flicker"):
        metric: Metric = config.build(nodes[name], f"metrics.{name}", Metric)
        for truth in truths:
            oracle, still = (metric.summarise([metric.extract(sample)]) for sample in finished(root, truth))
            if name == "flicker":
                assert 0 == still < oracle < 1
            elif metric.direction == "up":
                assert oracle > 1.05 * still, name
            else:
                assert oracle < 0.8 * still, name
