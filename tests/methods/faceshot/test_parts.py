import dataclasses
import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import conf
from charachbench import config
from charachbench.errors import UserError
from charachbench.landmarks import mean_shape, topology
from methods.faceshot.parts import PARTS, PROMPTS, Parts, WholeImage, ZeroShot, around, crop

PRESETS = Path(conf.__file__).parent / "parts"
IMAGE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
SIZES: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}

edges = st.floats(-1e4, 1e4)


def test_the_parts_are_all_landmarks() -> None:
    assert list(PARTS) == ["face_boundary", "eye_brows", "nose", "eyes", "mouth"]
    indices = np.concatenate([np.arange(topology.COUNT)[points] for points in PARTS.values()])
    assert np.array_equal(indices, np.arange(topology.COUNT))
    assert PROMPTS.keys() == PARTS.keys()


@given(st.integers(0, 62), st.integers(0, 62), st.integers(1, 64), st.integers(1, 64))
def test_a_crop_of_whole_pixels_is_a_slice(left: int, top: int, width: int, height: int) -> None:
    box = (left, top, min(left + width, 64), min(top + height, 64))
    assert np.array_equal(crop(IMAGE, box), IMAGE[box[1] : box[3], box[0] : box[2]])


@given(edges, edges, edges, edges)
def test_a_crop_is_never_empty(left: float, top: float, right: float, bottom: float) -> None:
    assert crop(IMAGE[:40], (left, top, right, bottom)).size


@pytest.mark.parametrize(
    ("box", "rows", "columns"),
    [
        ((-9, -9, 3, 2), slice(0, 2), slice(0, 3)),
        ((60, 50, 99, 99), slice(50, 64), slice(60, 64)),
        ((70, 70, 80, 80), slice(63, 64), slice(63, 64)),
        ((-9, -9, -3, -3), slice(0, 1), slice(0, 1)),
        ((5.4, 5.6, 7.4, 7.6), slice(6, 8), slice(5, 7)),
        ((5, 5, 5, 5), slice(5, 6), slice(5, 6)),
    ],
)
def test_a_crop_at_the_edge(box: tuple[float, float, float, float], rows: slice, columns: slice) -> None:
    assert np.array_equal(crop(IMAGE, box), IMAGE[rows, columns])


def marked(*points: tuple[float, float]) -> np.ndarray:
    """Landmarks whose mouth lies on these points, all others elsewhere."""
    landmarks = np.full((68, 2), 300.0)
    landmarks[PARTS["mouth"]] = points[0]
    landmarks[48 : 48 + len(points)] = points
    return landmarks


@pytest.mark.parametrize(
    ("landmarks", "margin", "box"),
    [
        (marked((99.5, 49.5), (139.5, 69.5)), 0, (100, 50, 140, 70)),
        (marked((99.5, 49.5), (139.5, 69.5)), 0.25, (90, 40, 150, 80)),
        (marked((99.5, 49.5), (139.5, 49.5)), 0, (100, 45, 140, 55)),  # a straight line
        (marked((99.5, 49.5), (139.5, 49.5)), 0.5, (80, 25, 160, 75)),
        (marked((99.5, 49.5)), 0.25, (99.5, 49.5, 100.5, 50.5)),  # a single point
        (marked((0, 0), (400, 300)), 0.5, (0, 0, 320, 240)),  # clipped
        (marked((500, 500)), 0, (319, 239, 320, 240)),  # outside
    ],
)
def test_the_box_around_landmarks(landmarks: np.ndarray, margin: float, box: tuple[float, float, float, float]) -> None:
    assert around(landmarks, "mouth", (240, 320), margin) == pytest.approx(box)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 1000), st.sampled_from(list(PARTS)), st.floats(0, 1))
def test_the_crop_around_landmarks_shows_them(seed: int, part: str, margin: float) -> None:
    landmarks = np.random.default_rng(seed).uniform(0, 63, (68, 2))
    image = np.zeros((64, 64, 3), dtype=np.uint8)
    columns, rows = landmarks[PARTS[part]].round().astype(int).T
    image[rows, columns] = 1
    box = around(landmarks, part, image.shape[:2], margin)
    # Edges and centres round apart at most by a pixel.
    assert crop(image, (box[0] - 1, box[1] - 1, box[2] + 1, box[3] + 1)).sum() == image.sum()


def test_the_parts_of_a_face_lie_where_they_should() -> None:
    face = mean_shape.fit(np.array([100, 100, 400, 400]))
    box = {part: around(face, part, (512, 512), 0) for part in PARTS}
    middle = {part: (left + right) / 2 for part, (left, _, right, _) in box.items()}
    assert list(middle.values()) == pytest.approx([250.5] * 5)
    assert box["eye_brows"][1] < box["eyes"][1] < box["nose"][3] < box["mouth"][3] <= box["face_boundary"][3]


def test_the_whole_image_is_every_part() -> None:
    found = WholeImage().find(IMAGE[:40])
    assert WholeImage.whole_image
    assert not ZeroShot.whole_image
    assert list(found) == list(PARTS)
    for part in found.values():
        assert part.score is None
        assert np.array_equal(crop(IMAGE[:40], part.box), IMAGE[:40])


@pytest.fixture(scope="module")
def owlv2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny OWLv2 with random weights, which reads letter by letter."""
    from transformers import CLIPTokenizer, Owlv2Config, Owlv2ForObjectDetection, Owlv2ImageProcessor, Owlv2Processor

    folder = tmp_path_factory.mktemp("owlv2")
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(vocab={word: index for index, word in enumerate(words)}, merges=[])
    tokenizer.model_max_length = 16
    ends = {"bos_token_id": 52, "eos_token_id": 53, "pad_token_id": 53}
    torch.manual_seed(0)
    network = Owlv2ForObjectDetection(
        Owlv2Config(
            text_config={**SIZES, **ends, "vocab_size": len(words), "max_position_embeddings": 16},
            vision_config={**SIZES, "image_size": 32, "patch_size": 8},
            projection_dim=16,
        )
    )
    # Untrained boxes are slivers at an edge; these are a quarter as wide as the image, and not in the padding below.
    network.box_head.dense2.weight.data *= 0.01
    network.box_head.dense2.bias.data = torch.tensor([0.0, -9, 0, 0])
    network.save_pretrained(folder)
    Owlv2Processor(Owlv2ImageProcessor(size={"height": 32, "width": 32}), tokenizer).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def grounding_dino(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Grounding DINO with random weights."""
    from transformers import (
        BertConfig,
        BertTokenizer,
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessor,
        GroundingDinoProcessor,
        SwinConfig,
    )

    folder = tmp_path_factory.mktemp("grounding_dino")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", "a", "face", "nose", "eyes", "mouth", "eyebrows"]
    swin: dict[str, Any] = {"image_size": 32, "embed_dim": 8, "window_size": 2, "out_indices": [2, 3, 4]}
    torch.manual_seed(0)
    GroundingDinoForObjectDetection(
        GroundingDinoConfig(
            backbone_config=SwinConfig(**swin, depths=[1] * 4, num_heads=[1] * 4),
            text_config=BertConfig(**SIZES, vocab_size=len(words)),
            d_model=32,
            num_queries=5,
            encoder_layers=1,
            encoder_ffn_dim=32,
            encoder_attention_heads=2,
            encoder_n_points=2,
            decoder_layers=2,
            decoder_ffn_dim=32,
            decoder_attention_heads=2,
            decoder_n_points=2,
        )
    ).save_pretrained(folder)
    GroundingDinoProcessor(
        GroundingDinoImageProcessor(size={"shortest_edge": 96, "longest_edge": 144}),
        BertTokenizer(vocab={word: index for index, word in enumerate(words)}),
    ).save_pretrained(folder)
    return folder


def loaded(folder: Path, **options: Any) -> ZeroShot:
    parts = ZeroShot(str(folder), **options)
    parts.load("cpu")
    return parts


def best(folder: Path, image: np.ndarray, text: Any, **options: Any) -> tuple[list[float], float]:
    """The best box and its score, by the processor's own method."""
    from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

    network, processor = (kind.from_pretrained(folder) for kind in (AutoModelForZeroShotObjectDetection, AutoProcessor))
    inputs = processor(images=Image.fromarray(image), text=text, return_tensors="pt")
    with torch.no_grad():
        outputs = network.eval()(**inputs)
    [found] = processor.post_process_grounded_object_detection(
        outputs, threshold=0, target_sizes=[image.shape[:2]], **options
    )
    first = int(found["scores"].argmax())
    return found["boxes"][first].tolist(), float(found["scores"][first])


def clipped(box: list[float], image: np.ndarray) -> list[float]:
    height, width = image.shape[:2]
    return np.clip(box, 0, [width, height, width, height]).tolist()


@pytest.mark.parametrize("shape", [(64, 64), (40, 60)])
def test_owlv2_finds_what_transformers_finds(owlv2: Path, shape: tuple[int, int]) -> None:
    image = IMAGE[: shape[0], : shape[1]]
    prompts = {**PROMPTS, "nose": "a beak"}
    found = loaded(owlv2, threshold=0.0, prompts=prompts).find(image)
    assert list(found) == list(PARTS)
    for part in PARTS:
        box, score = best(owlv2, image, [[prompts[part]]], text_labels=[[prompts[part]]])
        assert found[part].score == pytest.approx(score, abs=1e-5)
        assert found[part].box == pytest.approx(clipped(box, image), abs=1e-3)


def test_grounding_dino_finds_what_transformers_finds(grounding_dino: Path) -> None:
    image = IMAGE[:40, :60]
    found = loaded(grounding_dino, threshold=0.25).find(image)
    for part in ("nose", "mouth"):
        box, score = best(grounding_dino, image, [[PROMPTS[part]]])
        assert found[part].score == pytest.approx(score, abs=1e-5)
        assert found[part].box == pytest.approx(clipped(box, image), abs=1e-3)


def test_a_prompt_of_grounding_dino_ends_with_a_single_stop(grounding_dino: Path) -> None:
    plain, stopped = (
        loaded(grounding_dino, prompts={**PROMPTS, "nose": prompt}).find(IMAGE)["nose"]
        for prompt in ("a nose", " A nose. ")
    )
    assert plain == stopped


def test_what_is_below_the_threshold_is_the_whole_image(owlv2: Path) -> None:
    parts = loaded(owlv2, threshold=0.0)
    scores = {part: found.score for part, found in parts.find(IMAGE).items()}
    known = sorted(score for score in scores.values() if score is not None)
    assert len(set(known)) == 5
    parts.threshold = (known[2] + known[3]) / 2
    for part, found in parts.find(IMAGE).items():
        if scores[part] in known[3:]:
            assert found.score == scores[part]
        else:
            assert found == WholeImage().find(IMAGE)[part]


def test_what_is_found_goes_into_the_record(owlv2: Path) -> None:
    found = loaded(owlv2, threshold=0.0).find(IMAGE)
    kept = json.loads(json.dumps({part: dataclasses.asdict(each) for part, each in found.items()}))
    assert {part: (tuple(each["box"]), each["score"]) for part, each in kept.items()} == {
        part: (each.box, each.score) for part, each in found.items()
    }


@pytest.mark.parametrize("kind", ["owlv2", "grounding_dino"])
def test_a_detector_warns_of_nothing(kind: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(kind)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded(folder).find(IMAGE)


def test_the_fingerprint_is_of_the_weights(owlv2: Path, grounding_dino: Path) -> None:
    assert ZeroShot(str(owlv2)).fingerprint() == ZeroShot(str(owlv2), threshold=0.5).fingerprint()
    assert ZeroShot(str(owlv2)).fingerprint() != ZeroShot(str(grounding_dino)).fingerprint()


def test_missing_weights_name_the_setting(tmp_path: Path) -> None:
    parts = ZeroShot(str(tmp_path / "nowhere"))
    for ask in (parts.fingerprint, lambda: parts.load("cpu")):
        with pytest.raises(UserError, match=r"parts\.model=.*nowhere: no such folder"):
            ask()


def copied(folder: Path, to: Path, **changed: Any) -> Path:
    """A copy whose config is changed."""
    shutil.copytree(folder, to)
    settings = json.loads((to / "config.json").read_text())
    (to / "config.json").write_text(json.dumps({**settings, **changed}))
    return to


def test_another_kind_of_network_is_refused(tmp_path: Path, owlv2: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"parts\.model=.*bert: cannot be loaded \(ValueError: "):
        loaded(copied(owlv2, tmp_path / "bert", model_type="bert"))
    monkeypatch.setattr("methods.faceshot.parts._FAMILIES", {"grounding-dino": "{}."})
    with pytest.raises(UserError, match=r"parts\.model=.*: is of kind owlv2; accepted are grounding-dino$"):
        loaded(owlv2)


def test_code_beside_the_weights_is_not_run(tmp_path: Path, owlv2: Path) -> None:
    code = dict.fromkeys(("AutoConfig", "AutoModelForZeroShotObjectDetection"), "custom.Custom")
    folder = copied(owlv2, tmp_path / "custom", model_type="custom", auto_map=code)
    (folder / "custom.py").write_text(f"open({str(tmp_path / 'was_run')!r}, 'w')\nclass Custom: ...\n")
    with pytest.raises(UserError, match=r"parts\.model=.*custom: cannot be loaded"):
        loaded(folder)
    assert not (tmp_path / "was_run").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prompts": {"nose": "a nose"}}, r"parts\.prompts: is for nose; accepted is one for each of face_boundary, "),
        ({"prompts": {**PROMPTS, "beak": "a beak"}}, r"parts\.prompts: is for .*beak; accepted"),
        (
            {"prompts": {**PROMPTS, "nose": " . "}},
            r"parts\.prompts\.nose: is empty; .* such as 'a nose'",
        ),
        ({"threshold": 1.0}, r"parts\.threshold=1\.0"),
        ({"threshold": float("nan")}, r"parts\.threshold=nan"),
    ],
)
def test_wrong_settings_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        ZeroShot(**arguments)


@pytest.mark.parametrize("name", ["whole_image", "owlv2", "grounding_dino"])
def test_a_preset_can_be_built(name: str) -> None:
    node = yaml.safe_load((PRESETS / f"{name}.yaml").read_text())
    parts = config.build(node, "parts", Parts)
    if isinstance(parts, ZeroShot):
        assert parts.prompts == dict(PROMPTS)
