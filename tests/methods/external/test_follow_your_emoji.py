"""Follow-Your-Emoji's hook, script and worker, with modules made here in place of its own."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from charachbench import pictures
from charachbench.video import Video, write_mp4
from methods.external.hooks import follow_your_emoji as hook
from methods.external.job import hand_over
from methods.external.recipe import Inputs
from methods.external.running import SCRIPTS
from methods.external.workers import follow_your_emoji as worker

CONFIG = "video_length: 16\nseed: 12580\nmodel:\n  deep: [1, 2]\n"

# Finds a face in what is red rather than blue: a wrong order of channels finds none.
MEDIA_PIPE = """
class FaceMeshDetector:
    def __call__(self, image):
        red, blue = image[..., 0].mean(), image[..., 2].mean()
        return None, {"lmks": red, "width": image.shape[1]} if red > blue + 50 else None
"""


def test_their_configuration_is_kept_but_for_length_and_seed(tmp_path):
    configs = tmp_path / "work" / "checkout" / "configs"
    configs.mkdir(parents=True)
    (configs / "infer.yaml").write_text(CONFIG)
    driver = Video(np.zeros((3, 16, 16, 3), np.uint8), 25.0)
    job = hand_over(tmp_path / "job", "p1", Inputs(32, minimum_frames=5), driver.frames[0], 7, driver=driver)
    hook.prepare([job], tmp_path / "work")
    written = OmegaConf.to_container(OmegaConf.load(tmp_path / "work" / "infer.yaml"))
    assert written == {"video_length": 5, "seed": 7, "model": {"deep": [1, 2]}}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "media_pipe.py").write_text(MEDIA_PIPE)
    return tmp_path


def template(checkout: Path, frames: list[int], character: int) -> subprocess.CompletedProcess[str]:
    """Of red frames of these levels, and a character likewise; 0 has no face."""
    pixels = np.zeros((len(frames), 64, 64, 3), np.uint8)
    pixels[..., 0] = np.array(frames)[:, None, None]
    write_mp4(Video(pixels, 25.0), checkout / "driver.mp4")
    pictures.save(checkout / "image.png", np.full((64, 64, 3), (character, 0, 0), np.uint8))
    script = str(SCRIPTS / "follow_your_emoji.py")
    command = [sys.executable, script, "driver.mp4", "image.png", "template.npy"]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True)


def test_the_first_of_a_template_stands_twice_where_it_is_dropped(checkout):
    done = template(checkout, [200, 150, 100], 200)
    assert done.returncode == 0
    assert "no face" not in done.stdout
    reds = [frame["lmks"] for frame in np.load(checkout / "template.npy", allow_pickle=True)]
    assert np.allclose(reds, [200, 200, 150, 100], atol=4)


def test_and_once_where_the_character_has_no_face(checkout):
    done = template(checkout, [200, 150, 100], 0)
    assert done.returncode == 0
    assert "no face on the character" in done.stdout
    reds = [frame["lmks"] for frame in np.load(checkout / "template.npy", allow_pickle=True)]
    assert np.allclose(reds, [200, 150, 100], atol=4)


def test_a_frame_without_a_face_is_named(checkout):
    done = template(checkout, [200, 0, 200], 200)
    assert done.returncode == 1
    assert "no face in frame 1 of the driver" in done.stderr
    assert not (checkout / "template.npy").exists()


class Script(ModuleType):
    """Its loaders and its main function, which shows what it was given and how often it loaded."""

    def __init__(self) -> None:
        super().__init__("infer")
        self.loads: list[Any] = []
        self.seen: list[Any] = []
        loader = SimpleNamespace
        self.AutoencoderKL = loader(from_pretrained=self.load)
        self.CLIPVisionModelWithProjection = loader(from_pretrained=self.load)
        self.ReferenceNet2DConditionModel = loader(from_pretrained_2d=self.load)
        self.UNet3DConditionModel = loader(from_pretrained_2d=self.load)
        self.Guider = self.load
        self.dist = loader(init_process_group=self.load)
        self.load_model_state_dict = self.load

    def load(self, *args, **kwargs):
        self.loads.append((args, kwargs))
        return object()

    def main(self, paths, config):
        self.dist.init_process_group(backend="nccl")
        reference = self.ReferenceNet2DConditionModel.from_pretrained_2d("base", additional=config.model)
        guider = self.Guider(block_out_channels=(16, 32))
        for network, name in ((reference, "referencenet"), (guider, "lmk_guider")):
            self.load_model_state_dict(network, f"{name}.pth", name)
        motion = len(np.load(paths.lmk_path, allow_pickle=True))
        self.seen.append((paths.input_path, paths.output_path, motion, config.video_length, config.seed, reference))


def test_the_worker_loads_once_and_does_pair_after_pair(checkout, monkeypatch):
    script = Script()
    monkeypatch.setitem(sys.modules, "infer", script)
    monkeypatch.chdir(checkout)
    for name in ("MASTER_ADDR", "MASTER_PORT", "RANK", "LOCAL_RANK", "WORLD_SIZE"):
        monkeypatch.setenv(name, "")
    (checkout / "configs").mkdir()
    (checkout / "configs" / "infer.yaml").write_text(CONFIG)
    template(checkout, [200, 150], 200)
    loaded = worker.load("cuda", {})
    for stem, seed in (("a", 7), ("b", 8)):
        (checkout / stem).mkdir()
        job = {"image": "image.png", "driver": "driver.mp4", "output": stem, "stem": stem, "seed": seed, "frames": 2}
        worker.run(loaded, job)
    assert len(script.loads) == 5
    (first, second) = script.seen
    assert first[:5] == ("image.png", "a", 3, 2, 7)
    assert second[:5] == ("image.png", "b", 3, 2, 8)
    assert first[5] is second[5]
