"""AniPortrait's hook, script and worker, with modules made here in place of its own."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from omegaconf import OmegaConf

from charachbench import pictures, video
from methods.animators.aniportrait import pose_images
from methods.external.hooks import aniportrait as hook
from methods.external.job import Job, hand_over
from methods.external.recipe import Inputs
from methods.external.running import SCRIPTS
from methods.external.workers import aniportrait as worker
from tests.composed import settings

CONFIG = "unet: 'a: b'\nweight_dtype: 'fp16'\ntest_cases:\n  './theirs.png':\n    - './theirs.mp4'\n"
BOUNDARY = np.stack([np.linspace(80, 430, 68), 250 + 100 * np.sin(np.linspace(0, 3, 68))], axis=1)

# What the script is to draw with and what it makes of it, seen from its own namespace.
POSE2VID = """
import sys, cv2, numpy
LMKExtractor = FaceMeshVisualizer = None
def main():
    found = LMKExtractor()(numpy.zeros((512, 512, 3), numpy.uint8))
    assert found is not None
    landmarks = found["lmks"].astype(numpy.float32)
    drawn = FaceMeshVisualizer(forehead_edge=False).draw_landmarks((512, 512), landmarks, normed=True)
    numpy.savez("seen.npz", drawn=drawn, flags=sys.argv[1:])
"""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    prompts = tmp_path / "work" / "checkout" / "configs" / "prompts"
    prompts.mkdir(parents=True)
    for name in ("animation.yaml", "animation_facereenac.yaml"):
        (prompts / name).write_text(CONFIG)
    return tmp_path / "work"


def job(folder: Path, stem: str = "pair") -> Job:
    image = np.random.default_rng(0).integers(0, 255, (40, 30, 3), np.uint8)
    landmarks = np.stack([BOUNDARY, BOUNDARY + 5]) * (30 / 512, 40 / 512)
    return hand_over(folder / stem, stem, Inputs(512), image, 7, source=landmarks[0], landmarks=landmarks)


def test_their_configuration_is_kept_but_for_the_pairs(work, tmp_path):
    jobs = [job(tmp_path, "p1"), job(tmp_path, "p2")]
    hook.prepare_pairs(jobs, work)
    written = OmegaConf.to_container(OmegaConf.load(work / "pairs.yaml"))
    pairs = {str(one.image): [str(one.driver)] for one in jobs}
    assert written == {"unet": "a: b", "weight_dtype": "fp16", "test_cases": pairs}


def test_drawings_are_of_the_landmarks_in_the_square(work, tmp_path):
    one = job(tmp_path)
    hook.prepare_poses([one], work)
    expected = pose_images(np.load(one.landmarks), 512, 512)
    assert expected.any()
    assert np.array_equal(video.read(work / "poses.mkv").frames[..., ::-1], expected)
    reference = pose_images(np.load(one.source)[None], 512, 512)[0]
    assert np.array_equal(cv2.imread(str(work / "reference_pose.png")), reference)
    pairs = OmegaConf.to_container(OmegaConf.load(work / "pairs.yaml"))["test_cases"]
    assert pairs == {str(work / "reference.png"): [str(work / "poses.mkv")]}


def test_the_script_gives_the_drawing_in_place_of_a_face(tmp_path):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "pose2vid.py").write_text(POSE2VID)
    drawing = np.random.default_rng(0).integers(0, 255, (512, 512, 3), np.uint8)
    pictures.save(tmp_path / "pose.png", drawing[..., ::-1])
    command = [sys.executable, str(SCRIPTS / "aniportrait_poses.py"), "pose.png", "--seed", "7"]
    subprocess.run(command, cwd=tmp_path, check=True)
    with np.load(tmp_path / "seen.npz") as seen:
        assert np.array_equal(seen["drawn"], drawing)
        assert seen["flags"].tolist() == ["--seed", "7"]


class Script(ModuleType):
    """Its loaders and its main function; what it makes shows what it was given and how often it loaded."""

    def __init__(self, face: bool = True) -> None:
        super().__init__("scripts.vid2vid")
        self.loads: list[Any] = []
        self.seen: list[Any] = []
        self.face = face
        loader = SimpleNamespace
        self.AutoencoderKL = loader(from_pretrained=self.load)
        self.UNet2DConditionModel = loader(from_pretrained=self.load)
        self.UNet3DConditionModel = loader(from_pretrained_2d=self.load)
        self.CLIPVisionModelWithProjection = loader(from_pretrained=self.load)
        self.PoseGuider = self.load

    def load(self, *args, **kwargs):
        self.loads.append((args, kwargs))
        return object()

    def main(self):
        config = OmegaConf.load(sys.argv[sys.argv.index("--config") + 1])
        networks = [
            self.AutoencoderKL.from_pretrained(config.unet),
            self.UNet2DConditionModel.from_pretrained(config.unet, subfolder="unet"),
            self.PoseGuider(noise_latent_channels=320),
        ]
        for image, drivers in config.test_cases.items():
            assert self.face, "Can not detect a face in the reference image."
            self.seen.append((image, list(drivers), sys.argv[3:], networks))
            self.ffmpeg.input(drivers[0]).output("x").run()


@pytest.fixture
def script(monkeypatch, tmp_path):
    made = Script()
    monkeypatch.setitem(sys.modules, "scripts", ModuleType("scripts"))
    monkeypatch.setitem(sys.modules, "scripts.vid2vid", made)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(load=made.load))
    monkeypatch.setattr(sys, "argv", ["worker"])
    prompts = tmp_path / "configs" / "prompts"
    prompts.mkdir(parents=True)
    (prompts / "animation_facereenac.yaml").write_text(CONFIG)
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path)
    return made


def request(stem: str, seed: int) -> dict:
    return {"image": f"{stem}.png", "driver": f"{stem}.mp4", "output": "out", "seed": seed}


def test_the_worker_loads_once_and_does_pair_after_pair(script):
    loaded = worker.load("cuda", {"flags": ["-W", "512"]})
    assert len(script.loads) == 3
    assert not script.seen
    worker.run(loaded, request("a", 7))
    worker.run(loaded, request("b", 8))
    assert len(script.loads) == 3
    (first, second) = script.seen
    assert first[:3] == ("a.png", ["a.mp4"], ["-W", "512", "--seed", "7"])
    assert second[:3] == ("b.png", ["b.mp4"], ["-W", "512", "--seed", "8"])
    assert first[3] == second[3]


def test_a_character_without_a_face_fails_its_pair_alone(script):
    loaded = worker.load("cuda", {"flags": []})
    script.face = False
    with pytest.raises(AssertionError, match="Can not detect a face"):
        worker.run(loaded, request("a", 7))
    script.face = True
    worker.run(loaded, request("b", 7))
    assert len(script.seen) == 1


def test_a_script_that_writes_nothing_is_a_failure(script):
    loaded = worker.load("cuda", {"flags": []})
    script.main = lambda: None
    with pytest.raises(RuntimeError, match="without a video"):
        worker.run(loaded, request("a", 7))


def test_method_and_animator_run_the_same_code_with_the_same_weights():
    method = settings("method=aniportrait").method["recipe"]
    animator = settings("method=warp", "animator=aniportrait").method["animator"]["recipe"]
    for part in ("repository", "files"):
        assert method[part] == animator[part]
    for part in ("python", "requirements"):
        assert method["environment"][part] == animator["environment"][part]
