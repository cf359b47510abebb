"""The animator as the harness runs it, at a tiny size with random weights."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from charachbench.errors import UserError
from methods.animators.mofa.animator import CURVES, Mofa, draw_landmarks
from methods.animators.mofa.networks import Random

TINY: dict[str, Any] = {
    "size": 64, "window": 5, "stride": 2, "steps": 2, "flow_size": 64, "drawing_size": 40, "window_batch": 4,
}  # fmt: skip


AWAY: Any = SimpleNamespace(offload=True, _device="device")
"""An animator on another device, which this machine need not have."""


def face(frames: int, shift: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """An image of 96 pixels and landmarks that move to the right."""
    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(rng.integers(0, 256, (96, 96, 3), dtype=np.uint8), (0, 0), 3)
    points = rng.uniform(24, 72, (68, 2))
    return image, points + np.linspace(0, 1, frames)[:, None, None] * [shift, 0]


@pytest.fixture(scope="module")
def mofa() -> Mofa:
    animator = Mofa(Random(), **TINY)
    animator.load("cpu")
    return animator


def test_frames_are_of_the_image_and_equal_for_equal_arguments(mofa: Mofa) -> None:
    image, landmarks = face(7)
    frames = mofa.render(image, landmarks[0], landmarks, 3)
    assert frames.shape == (7, 96, 96, 3)
    assert frames.dtype == np.uint8
    assert np.array_equal(frames, mofa.render(image, landmarks[0], landmarks, 3))
    assert not np.array_equal(frames, mofa.render(image, landmarks[0], landmarks, 4))
    assert not np.array_equal(frames, mofa.render(image[::-1].copy(), landmarks[0], landmarks, 3))
    moved = mofa.render(image, landmarks[0], landmarks[:1] + 2 * (landmarks - landmarks[:1]), 3)
    assert not np.array_equal(frames, moved)


@pytest.mark.parametrize("frames", [1, 3, 5, 6])
@pytest.mark.slow
def test_short_clips_are_continued_and_cut(mofa: Mofa, frames: int) -> None:
    image, landmarks = face(frames)
    made = mofa.render(image, landmarks[0], landmarks)
    assert made.shape == (frames, 96, 96, 3)
    longer = np.concatenate([landmarks, landmarks[-1:].repeat(max(0, 5 - frames), axis=0)])
    assert np.array_equal(made, mofa.render(image, landmarks[0], longer)[:frames])


def test_landmarks_that_do_not_begin_with_the_source_get_a_frame_that_does(mofa: Mofa) -> None:
    image, landmarks = face(7)
    whole = mofa.render(image, landmarks[0], landmarks)
    assert np.array_equal(whole[1:], mofa.render(image, landmarks[0], landmarks[1:]))


@pytest.mark.slow
def test_a_character_is_encoded_once(mofa: Mofa, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    encode = mofa._parts.vae.encode

    def counted(pixels: torch.Tensor) -> Any:
        calls.append(len(pixels))
        return encode(pixels)

    monkeypatch.setattr(mofa._parts.vae, "encode", counted)
    image, landmarks = face(5)
    others = [image[:, ::-1].copy(), image.transpose(1, 0, 2).copy()]
    for picture in (*others, *others):  # as a benchmark has them: every character with a driver, then with the next
        mofa.render(picture, landmarks[0], landmarks)
    assert len(calls) == 2


@pytest.mark.slow
def test_windows_leave_no_seams() -> None:
    settings = {**TINY, "window": 9, "stride": 4, "steps": 4, "decode_chunk": 99}
    animator = Mofa(Random(), **settings)
    animator.load("cpu")
    image, landmarks = face(1)
    generator = torch.Generator().manual_seed(0)
    noise, grain = torch.randn(1, 4, 8, 8, generator=generator), torch.randn(3, 64, 64, generator=generator)
    with torch.inference_mode():
        conditions = animator._conditions(cv2.resize(image, (64, 64)), landmarks.repeat(21, axis=0) * 2 / 3, grain)
        frames = animator._decode(animator._denoise(conditions, noise.expand(21, -1, -1, -1))).astype(float)
    jumps = np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2, 3))
    borders = [4, 8, 12]  # before the first frames of the windows that start at 5, 9 and 13
    inside = [index for index in range(1, 19) if index not in borders]
    assert jumps[borders].max() < jumps[inside].max()
    assert jumps[borders].mean() < 1.5 * jumps[inside].mean()


@pytest.mark.slow
def test_offloaded_networks_are_on_the_device_while_they_work(mofa: Mofa, monkeypatch: pytest.MonkeyPatch) -> None:
    image, landmarks = face(5)
    offloaded = Mofa(Random(), **TINY, offload=True)
    offloaded.load("cpu")
    here: set[str] = set()
    worked: set[str] = set()
    for name in ("image_encoder", "vae", "unet", "controlnet", "cmp"):
        network = getattr(offloaded._parts, name)

        def move(place: str, name: str = name) -> None:
            here.symmetric_difference_update({name})
            assert (name in here) == (place == "device")

        def works(*_: Any, name: str = name) -> None:
            assert name in here
            worked.add(name)

        monkeypatch.setattr(network, "to", move)
        for child in network.children():
            child.register_forward_pre_hook(works)
    monkeypatch.setattr(offloaded, "_at_work", lambda part: Mofa._at_work(AWAY, part))
    frames = offloaded.render(image, landmarks[0], landmarks)
    assert not here
    assert worked == {"image_encoder", "vae", "unet", "controlnet", "cmp"}
    assert np.array_equal(frames, mofa.render(image, landmarks[0], landmarks))


@pytest.mark.slow
def test_networks_are_compiled_where_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda network: compiled.append(type(network).__name__))
    for wanted, names in ((False, []), (True, ["ControlledUNet", "FlowControlNet"])):
        Mofa(Random(), **TINY, compile=wanted).load("cpu")
        assert compiled == names


@pytest.mark.slow
def test_without_guidance_any_number_of_windows_goes_at_once() -> None:
    image, landmarks = face(9)
    made = []
    for batch in (1, 3):
        animator = Mofa(Random(), **{**TINY, "window_batch": batch}, guidance_last=1.0)
        animator.load("cpu")
        made.append(animator.render(image, landmarks[0], landmarks).astype(int))
    assert np.abs(made[0] - made[1]).max() <= 1


def test_an_encoder_that_runs_out_of_memory_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    animator = Mofa(Random(), **TINY, dtype="fp16")
    animator.load("cpu")
    image, landmarks = face(5)

    def full(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patched:
        patched.setattr(animator._parts.vae, "encode", full)
        with pytest.raises(UserError, match="too little free memory"):
            animator.render(image, landmarks[0], landmarks)
    assert {parameter.dtype for parameter in animator._parts.vae.parameters()} == {torch.float16}
    assert animator.render(image, landmarks[0], landmarks).std() > 0


@pytest.mark.slow
def test_short_types_are_near(mofa: Mofa) -> None:
    image, landmarks = face(5)
    short = Mofa(Random(), **TINY, dtype="bf16")
    short.load("cpu")
    made, fine = (animator.render(image, landmarks[0], landmarks).ravel() for animator in (short, mofa))
    assert np.corrcoef(made, fine)[0, 1] > 0.5  # random networks enlarge every difference


@pytest.mark.parametrize(
    ("out_of_memory", "message"),
    [(False, r"not finite.*animator\.dtype=bf16"), (True, r"too little free memory.*animator\.offload=true")],
)
def test_what_to_turn_down(mofa: Mofa, monkeypatch: pytest.MonkeyPatch, out_of_memory: bool, message: str) -> None:
    def predict(sample: torch.Tensor, *_: Any) -> torch.Tensor:
        if out_of_memory:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return sample[:, :, :4] * float("nan")

    monkeypatch.setattr(mofa._parts.unet, "forward", predict)
    image, landmarks = face(5)
    with pytest.raises(UserError, match=message):
        mofa.render(image, landmarks[0], landmarks)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 100}, r"animator\.size=100: accepted are multiples of 64"),
        ({"flow_size": 60}, r"animator\.flow_size=60"),
        ({"flow_size": 8}, r"animator\.flow_size=8: accepted are multiples of 8 pixels from 64"),
        ({"window": 1}, r"animator\.window=1"),
        ({"stride": 5}, r"animator\.stride=5: accepted are whole numbers from 1 to 4"),
        ({"steps": 0}, r"animator\.steps=0"),
        ({"decode_chunk": 0}, r"animator\.decode_chunk=0"),
        ({"guidance_last": float("nan")}, r"animator\.guidance_last=nan"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Mofa(Random(), **{**TINY, **settings})


def test_arguments_are_checked(mofa: Mofa) -> None:
    image, landmarks = face(5)
    with pytest.raises(UserError, match="square"):
        mofa.render(image[:90], landmarks[0], landmarks)
    with pytest.raises(UserError, match="frame 2"):
        mofa.render(image, landmarks[0], np.where(np.arange(5)[:, None, None] == 2, np.nan, landmarks))


def test_drawings_are_upstreams() -> None:
    with np.load(Path(__file__).parent / "data" / "drawing.npz") as recorded:
        made = draw_landmarks(recorded["landmarks"], 512, 320)
        np.testing.assert_allclose(made * 255, recorded["drawings"], atol=0.51)  # which were rounded


def test_every_landmark_is_drawn() -> None:
    assert {point for curve in CURVES for point in curve.points} == set(range(68))
    assert len({curve.colour for curve in CURVES}) == len(CURVES)
