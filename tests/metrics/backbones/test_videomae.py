from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import VideoMAEConfig, VideoMAEForVideoClassification, VideoMAEImageProcessor, VideoMAEModel

from charachbench import random_weights
from charachbench.errors import UserError
from metrics.backbones.videomae import VideoMae

SIZE, FRAMES = 32, 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small VideoMAE with a classifier, with random weights and the settings of the published processors."""
    config = VideoMAEConfig(
        image_size=SIZE,
        num_frames=FRAMES,
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
    )
    network = VideoMAEForVideoClassification(config)
    torch.manual_seed(0)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    path = tmp_path_factory.mktemp("weights") / "tiny"
    network.save_pretrained(path)
    VideoMAEImageProcessor(
        size={"shortest_edge": SIZE},
        crop_size={"height": SIZE, "width": SIZE},
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    ).save_pretrained(path)
    return path


def loaded(folder: Path, **settings: object) -> VideoMae:
    backbone = VideoMae(str(folder), None, SIZE, **settings)  # type: ignore[arg-type]
    backbone.load("cpu")
    return backbone


def clips(count: int, size: int = SIZE) -> np.ndarray:
    return random_weights.pictures(count * FRAMES, size).reshape(count, FRAMES, size, size, 3)


@pytest.mark.parametrize("size", [32, 47, 80])
def test_features_are_what_the_classifier_of_transformers_sees(folder, size):
    processor = VideoMAEImageProcessor.from_pretrained(folder)
    network = VideoMAEForVideoClassification.from_pretrained(folder).eval()
    features = loaded(folder).embed(clips(2, size))
    assert features.shape == (2, 24)
    assert features.dtype == np.float32
    seen = []
    network.classifier.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.inference_mode():
        for clip in clips(2, size):
            network(**processor(list(clip), return_tensors="pt"))
    # of other sizes an older processor, by Pillow, rounds a few values to the other grey level
    np.testing.assert_allclose(features, torch.cat(seen), atol=1e-4 if size == SIZE else 1e-2)
    assert features.std(0).mean() > 0.05  # the clips are told apart


def test_frames_that_are_not_square_are_seen_whole(folder):
    frames = clips(1, 64)[:, :, :32]
    changed = frames.copy()
    changed[..., :8, :] = 0  # a crop to the middle would not see it
    backbone = loaded(folder)
    assert np.abs(backbone.embed(frames) - backbone.embed(changed)).max() > 0.01


def test_features_depend_neither_on_batch_nor_on_order(folder):
    frames, order = clips(5), [4, 2, 0, 1, 3]
    np.testing.assert_allclose(
        loaded(folder, batch=3).embed(frames[order]), loaded(folder).embed(frames)[order], rtol=1e-4, atol=1e-5
    )


def test_black_frames_and_order_of_frames(folder):
    backbone, frames = loaded(folder), clips(1)
    assert np.isfinite(backbone.embed(np.zeros_like(frames))).all()
    assert np.abs(backbone.embed(frames) - backbone.embed(frames[:, ::-1].copy())).max() > 0.01


def test_clips_of_other_lengths_are_refused(folder):
    with pytest.raises(UserError, match="takes clips of 4 frames"):
        loaded(folder).embed(clips(1)[:, :3])


@pytest.mark.parametrize("settings", [{"resolution": 0}, {"batch": 0}])
def test_wrong_settings_are_refused(settings):
    with pytest.raises(UserError, match="accepted"):
        VideoMae(**settings)


def test_wrong_models_are_refused(folder, tmp_path):
    with pytest.raises(UserError, match="resolution=224: accepted is 32"):
        VideoMae(str(folder), None).load("cpu")
    VideoMAEModel.from_pretrained(folder).save_pretrained(tmp_path / "no_classifier")
    with pytest.raises(UserError, match="lacks"):
        loaded(tmp_path / "no_classifier")
    VideoMAEForVideoClassification.from_pretrained(folder, use_mean_pooling=False).save_pretrained(tmp_path / "pool")
    with pytest.raises(UserError, match="lacks|does not pool"):
        loaded(tmp_path / "pool")


def test_the_protocol_needs_no_weights_and_tells_them_apart(folder):
    assert VideoMae().protocol()["weights"] == "873e7dfc"
    assert VideoMae(dtype="fp16").protocol() != VideoMae().protocol() == VideoMae(batch=2).protocol()
    assert VideoMae(str(folder), None).protocol()["backbone"] == "VideoMAE tiny"
    assert not VideoMae().random
