"""Windows, guidance and the denoising loop, against the upstream pipeline's recorded run and closed forms."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLTemporalDecoder, EulerDiscreteScheduler
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from charachbench.errors import UserError
from methods.animators.mofa.controlnet import FlowControlNet
from methods.animators.mofa.networks import SCHEDULE
from methods.animators.mofa.sampling import (
    Conditions,
    Guidance,
    decode,
    denoise,
    image_embedding,
    image_latents,
    windows,
)
from methods.animators.mofa.unet import ControlledUNet, mix_contexts
from tests.methods.animators.mofa.weights import draw

RECORDED = Path(__file__).parent / "data" / "pipeline.npz"


class _Recorded:
    """Upstream's run, and our networks with its weights."""

    def __init__(self) -> None:
        with np.load(RECORDED) as arrays:
            self.arrays = {name: arrays[name] for name in arrays.files}
        self.settings = json.loads(str(self.arrays["settings"]))
        kinds = {
            "controlnet": FlowControlNet,
            "unet": ControlledUNet,
            "vae": AutoencoderKLTemporalDecoder,
            "image_encoder": lambda **config: CLIPVisionModelWithProjection(CLIPVisionConfig(**config)),
        }
        self.networks: dict[str, Any] = {}
        for name, kind in kinds.items():
            network: Any = kind(**self.settings["configs"][name]).eval().requires_grad_(False)
            draw(network, self.settings["seeds"][name])
            self.networks[name] = network

    def tensor(self, name: str) -> torch.Tensor:
        return torch.from_numpy(self.arrays[name])

    @property
    def image(self) -> torch.Tensor:
        return self.tensor("image").permute(2, 0, 1) / 255


@pytest.fixture(scope="module")
def recorded() -> _Recorded:
    return _Recorded()


def test_the_image_is_embedded_as_upstream_does(recorded: _Recorded) -> None:
    made = image_embedding(recorded.networks["image_encoder"], recorded.image)
    torch.testing.assert_close(made, recorded.tensor("image_embedding"), rtol=0, atol=1e-5)


def test_the_image_is_encoded_as_upstream_does(recorded: _Recorded) -> None:
    noise, strength = recorded.tensor("image_noise")[0], recorded.settings["noise_augmentation"]
    made = image_latents(recorded.networks["vae"], recorded.image, noise, strength)
    torch.testing.assert_close(made, recorded.tensor("image_latents")[0], rtol=0, atol=1e-5)


def _conditions(recorded: _Recorded, frames: int) -> Conditions:
    features = recorded.networks["controlnet"].condition(
        recorded.image[None] * 2 - 1, recorded.tensor("flow")[: frames - 1], recorded.tensor("landmarks")[:frames]
    )
    time_ids = torch.tensor(recorded.settings["time_ids"])
    return Conditions(recorded.tensor("image_embedding"), recorded.tensor("image_latents")[0], features, time_ids)


def _denoised(recorded: _Recorded, frames: int, batch: int, scheduler: Any) -> torch.Tensor:
    with torch.inference_mode():
        return denoise(
            recorded.networks["unet"],
            recorded.networks["controlnet"],
            scheduler,
            _conditions(recorded, frames),
            recorded.tensor("noise")[:frames],
            steps=recorded.settings["steps"],
            length=recorded.settings["length"],
            stride=recorded.settings["stride"],
            guidance=Guidance(*recorded.settings["guidance"]),
            batch=batch,
        )


class _Watched(EulerDiscreteScheduler):
    """Keeps the latents after every step."""

    def step(self, *args: Any, **options: Any) -> Any:
        made = super().step(*args, **options)  # type: ignore[misc]
        self.kept = [*getattr(self, "kept", []), made.prev_sample]
        return made


# One window; windows that end with the clip, of which upstream runs the last twice; and a longer clip. One, two and
# three windows at once, where upstream has one.
@pytest.mark.parametrize(
    ("frames", "batch"), [(5, 1), *(pytest.param(*case, marks=pytest.mark.slow) for case in ((9, 2), (11, 3)))]
)
def test_denoising_equals_upstreams_at_every_step(recorded: _Recorded, frames: int, batch: int) -> None:
    scheduler: Any = _Watched(**recorded.settings["configs"]["scheduler"])
    latents = _denoised(recorded, frames, batch, scheduler)
    np.testing.assert_allclose(scheduler.sigmas, recorded.arrays["sigmas"], rtol=1e-6)
    np.testing.assert_allclose(scheduler.timesteps, recorded.arrays["timesteps"], rtol=1e-6)
    for made, wanted in zip(scheduler.kept, recorded.tensor(f"latents_{frames}"), strict=True):
        assert (made - wanted).abs().max() < 3e-5 * wanted.abs().max()
    assert torch.equal(latents, scheduler.kept[-1])
    frames_made = decode(recorded.networks["vae"], latents, recorded.settings["decode_chunk"]).numpy()
    difference = np.abs(frames_made.astype(int) - recorded.arrays[f"frames_{frames}"])
    assert difference.max() <= 1  # where rounding falls the other way
    assert (difference > 0).mean() < 1e-3


@pytest.mark.slow
def test_mixed_contexts_are_those_of_diffusers_0_24() -> None:
    recorded = _Recorded()  # a fresh one: it stays mixed
    for name in ("unet", "controlnet"):
        mix_contexts(recorded.networks[name])
    scheduler = EulerDiscreteScheduler(**recorded.settings["configs"]["scheduler"])
    wanted = recorded.tensor("mixed_11")
    assert (_denoised(recorded, 11, 2, scheduler) - wanted).abs().max() < 3e-5 * wanted.abs().max()
    plain = recorded.tensor("latents_11")[-1]
    assert (wanted - plain).abs().max() > 0.1 * plain.abs().max()


def test_the_schedule_is_that_of_the_recorded_run(recorded: _Recorded) -> None:
    ours: Any = EulerDiscreteScheduler(**SCHEDULE)
    theirs = recorded.settings["configs"]["scheduler"]
    assert {name: value for name, value in theirs.items() if ours.config[name] != value} == {}


def test_a_decoder_that_fails_is_not_taken_for_black(recorded: _Recorded) -> None:
    latents = recorded.tensor("latents_5")[-1].clone()
    latents[3] = float("inf")
    with pytest.raises(UserError, match=r"not finite in float32.*animator\.dtype=bf16"):
        decode(recorded.networks["vae"], latents, 2)


def test_a_chunk_of_the_decoder_is_a_clip_of_its_own(recorded: _Recorded) -> None:
    vae, latents = recorded.networks["vae"], recorded.tensor("latents_11")[-1]
    whole = decode(vae, latents, 4)
    for start in range(0, 11, 4):
        assert torch.equal(whole[start : start + 4], decode(vae, latents[start : start + 4], 99))


@given(st.integers(2, 30), st.integers(0, 60), st.data())
@settings(max_examples=200)
def test_windows_cover_a_clip(length: int, more: int, data: st.DataObject) -> None:
    stride, frames = data.draw(st.integers(1, length - 1)), length + more
    weights = windows(frames, length, stride)
    seen = {0} | {frame for start in weights for frame in range(start, start + length - 1)}
    assert seen == set(range(frames))
    starts = list(weights)
    assert starts[0] == 1
    assert starts == sorted(starts)
    assert all(after - before <= stride for before, after in pairwise(starts))
    # Upstream's list of windows, one of which may be there twice
    assert sum(weights.values()) == (frames - length) // stride + 2
    assert (weights[starts[-1]] == 2) == ((frames - length) % stride == 0)


class _Pointwise:
    """A network that sees each frame by itself: the same prediction whatever the window."""

    dtype = torch.float32

    def __call__(self, sample: torch.Tensor, timestep: Any, *_: Any) -> Any:
        return sample[:, :, :4].tanh() + 0.1 * sample[:, :, 4:]


def _nothing(*_: Any) -> tuple[list[torch.Tensor], torch.Tensor]:
    return [], torch.zeros(())


def _still(frames: int, guidance: Guidance, length: int = 9, stride: int = 4) -> torch.Tensor:
    """Latents of a clip in which every frame has the same noise and the same conditions."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(1, 4, 2, 2, generator=generator).expand(frames, -1, -1, -1)
    conditions = Conditions(torch.ones(1, 1, 3), torch.ones(4, 2, 2), [], torch.ones(3))
    scheduler = EulerDiscreteScheduler(**SCHEDULE)
    return denoise(
        _Pointwise(), _nothing, scheduler, conditions, noise, steps=6, length=length, stride=stride, guidance=guidance,
        batch=2,
    )  # fmt: skip


@pytest.mark.parametrize("frames", [9, 10, 13, 22])
def test_overlaps_are_seamless(frames: int) -> None:
    latents = _still(frames, Guidance(3.0, 3.0))
    assert (latents - latents[:1]).abs().max() < 1e-5 * latents.abs().max()


def test_guidance_grows_along_a_window() -> None:
    latents = _still(9, Guidance(1.0, 5.0))
    alone = {scale: _still(9, Guidance(scale, scale)) for scale in (1.0, 3.0, 5.0)}
    for frame, scale in ((0, 1.0), (4, 3.0), (8, 5.0)):
        torch.testing.assert_close(latents[frame], alone[scale][frame])
    assert (alone[1.0] - alone[5.0]).abs().max() > 0.01


def test_without_guidance_the_network_runs_once() -> None:
    calls = []

    class Counting(_Pointwise):
        def __call__(self, sample: torch.Tensor, timestep: Any, *rest: Any) -> Any:
            calls.append(len(sample))
            return super().__call__(sample, timestep, *rest)

    noise = torch.randn(5, 4, 2, 2, generator=torch.Generator().manual_seed(0))
    conditions = Conditions(torch.ones(1, 1, 3), torch.ones(4, 2, 2), [], torch.ones(3))
    for last, halves in ((1.0, 1), (2.0, 2)):
        calls.clear()
        denoise(
            Counting(), _nothing, EulerDiscreteScheduler(**SCHEDULE), conditions, noise, steps=3, length=5, stride=2,
            guidance=Guidance(1.0, last), batch=1,
        )  # fmt: skip
        assert calls == [halves] * 3
