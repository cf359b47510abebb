"""Workers whose upstream is stood in for by modules made here: which functions they call, and with what."""

import ast
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from methods.external.workers import face_vid2vid, fomm, lia, live_portrait

FOLDER = Path(fomm.__file__).parent
FLAGS = {"config": "model.yaml", "checkpoint": "model.pth", "relative": True, "adapt_scale": False}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_old_interpreters_can_read_a_worker_and_it_imports_nothing_of_ours(path):
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))
    imported = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names


class Demo:
    """What FOMM's and face-vid2vid's ``demo`` modules have; the animation is the driver's frames plus the image."""

    def __init__(self):
        self.written, self.loaded, self.animated = {}, None, None
        self.imageio = SimpleNamespace(
            imread=lambda _: np.full((4, 4, 4), 2), get_reader=self.reader, mimsave=self.save
        )
        self.yaml = SimpleNamespace(
            safe_load=lambda _: {"model_params": {"common_params": {"estimate_jacobian": "yes"}}}
        )
        self.resize = lambda picture, size: np.resize(picture, (*size, picture.shape[2]))
        self.img_as_ubyte = np.uint8

    def reader(self, _):
        class Reader(list):
            __enter__, __exit__ = (lambda self: self), (lambda *_: None)
            get_meta_data = staticmethod(lambda: {"fps": 12.5})

        return Reader([np.full((4, 4, 3), 10 * number) for number in range(3)])

    def save(self, path, frames, fps):
        self.written[path] = (np.stack(frames), fps)

    def load_checkpoints(self, *names, cpu):
        self.loaded = (*names, cpu)
        return ("generator", "detector", "estimator")[: 2 if len(names) == 2 else 3]

    def make_animation(self, image, frames, **options):
        self.animated = options
        return [frame + image for frame in frames]


@pytest.fixture
def demo(monkeypatch):
    made = Demo()
    monkeypatch.setitem(sys.modules, "demo", made)
    return made


def check_result(demo):
    ((path, (frames, fps)),) = demo.written.items()
    assert path == "out/result.mp4"
    assert fps == 12.5
    assert frames.shape == (3, 256, 256, 3)
    assert frames[:, 0, 0, 0].tolist() == [2, 12, 22]


@pytest.mark.parametrize(("device", "cpu"), [("cpu", True), ("cuda", False)])
def test_fomm_hands_over_its_flags_and_writes_the_frames(demo, device, cpu):
    loaded = fomm.load(device, FLAGS)
    assert demo.loaded == ("model.yaml", "model.pth", cpu)
    fomm.run(loaded, {"image": "image.png", "driver": "driver.mp4", "output": "out"})
    networks = {"generator": "generator", "kp_detector": "detector"}
    assert demo.animated == {**networks, "relative": True, "adapt_movement_scale": False, "cpu": cpu}
    check_result(demo)


@pytest.mark.parametrize(("device", "cpu"), [("cpu", True), ("cuda", False)])
def test_face_vid2vid_hands_over_its_flags_and_writes_the_frames(demo, device, cpu, tmp_path):
    config = tmp_path / "model.yaml"
    config.touch()
    loaded = face_vid2vid.load(device, {**FLAGS, "config": str(config), "gen": "spade"})
    assert demo.loaded == (str(config), "model.pth", "spade", cpu)
    face_vid2vid.run(loaded, {"image": "image.png", "driver": "driver.mp4", "output": "out"})
    networks = {"generator": "generator", "kp_detector": "detector", "he_estimator": "estimator"}
    options = {"relative": True, "adapt_movement_scale": False, "estimate_jacobian": "yes", "cpu": cpu}
    assert demo.animated == networks | options
    check_result(demo)


def test_lia_runs_the_demo_without_loading_again_and_without_a_gpu(monkeypatch, tmp_path):
    import torch

    class Demo:
        made = None

        def __init__(self):
            raise AssertionError("its constructor loads the network")

        def run(self):
            Demo.made = self, self.img_source.cuda()

    modules = SimpleNamespace(
        Demo=Demo,
        Generator=lambda *sizes: torch.nn.Linear(len(sizes), 1),
        vid_preprocessing=lambda path: (torch.zeros(1, 2), path),
        img_preprocessing=lambda _path, size: torch.full((1,), float(size)),
    )
    monkeypatch.setitem(sys.modules, "run_demo", modules)
    monkeypatch.setattr(torch.Tensor, "cuda", torch.Tensor.cuda)  # put back after the test
    trained = torch.nn.Linear(4, 1)
    torch.save({"gen": trained.state_dict()}, tmp_path / "vox.pt")
    loaded = lia.load("cpu", {"model": "vox", "checkpoint": str(tmp_path / "vox.pt")})
    lia.run(loaded, {"image": "image.png", "driver": "driver.mp4", "output": "out"})
    assert Demo.made is not None
    made, moved = Demo.made
    assert moved.item() == 256
    assert torch.equal(made.gen.weight, trained.weight)
    assert not made.gen.training
    assert (made.args.model, made.fps, made.save_path) == ("vox", "driver.mp4", "out/result.mp4")


@pytest.mark.parametrize(
    ("device", "added"), [("cpu", {"flag_force_cpu": True, "flag_use_half_precision": False}), ("cuda", {})]
)
def test_live_portrait_makes_its_pipeline_once_and_hands_over_its_flags(monkeypatch, device, added):
    done = []

    class Pipeline:
        def __init__(self, **settings):
            self.settings = settings

        def execute(self, flags):
            done.append((self, vars(flags)))

    inference = SimpleNamespace(
        ArgumentConfig=SimpleNamespace, InferenceConfig="inference", CropConfig="crop",
        LivePortraitPipeline=Pipeline, partial_fields=lambda target, flags: (target, dict(flags)),
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "inference", inference)
    flags = {"flag_do_crop": False, **added}
    loaded = live_portrait.load(device, {"flag_do_crop": False})
    for name in ("cat", "dog"):
        live_portrait.run(loaded, {"image": f"{name}.png", "driver": f"{name}.mp4", "output": "out"})
    (first, given), (second, later) = done
    assert first is second
    assert first.settings == {"inference_cfg": ("inference", flags), "crop_cfg": ("crop", flags)}
    assert given == {**flags, "source": "cat.png", "driving": "cat.mp4", "output_dir": "out"}
    assert later == {**flags, "source": "dog.png", "driving": "dog.mp4", "output_dir": "out"}
