"""Long clips from a network of short ones: windows over the frames, blended at every step of the denoising.

The scheme of MOFA-Video's long-video pipeline, rearranged so that nothing is computed twice. All windows of a step are
denoised from the same latents, and a step of Euler's method is linear in the prediction: predictions are averaged where
windows overlap and one step is taken, instead of a step for each window and an average of those.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from charachbench.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor


def windows(frames: int, length: int, stride: int) -> dict[int, int]:
    """Windows over a clip: each sees frame 0, and ``length - 1`` frames from its start on.

    Args:
        frames: of the clip, at least ``length``.
        length: of a window, at least 2.
        stride: between their starts, 1 to ``length - 1``.

    Returns:
        The weight of each window, by its start; the last window ends with the clip. It weighs 2 where one of the
        stride's windows ends there too: the reference implementation runs that one twice.
    """
    starts = [1 + index * stride for index in range((frames - length) // stride + 1)]
    return dict(Counter([*starts, frames - length + 1]))


@dataclass(frozen=True)
class Guidance:
    """Classifier-free guidance that grows along a window.

    Attributes:
        first: scale for a window's first frame, 1 for none.
        last: for its last.
    """

    first: float
    last: float

    @property
    def needed(self) -> bool:
        """Whether it changes anything."""
        return self.first != 1 or self.last != 1

    def scales(self, length: int) -> Tensor:
        """Float32 (length, 1, 1, 1)."""
        import torch

        return torch.linspace(self.first, self.last, length)[:, None, None, None]


@dataclass(frozen=True)
class Conditions:
    """What the networks are told of a clip of T frames, the same at every step.

    Attributes:
        embedding: of the image, (1, 1, D).
        latents: of the image, (4, h, w), not scaled.
        features: as ``FlowControlNet.condition`` gives them, (T, C, h', w') each.
        time_ids: frames per second, motion bucket and noise on the image, (3,).
    """

    embedding: Tensor
    latents: Tensor
    features: Sequence[Tensor]
    time_ids: Tensor


def denoise(
    unet: Any,
    controlnet: Any,
    scheduler: Any,
    conditions: Conditions,
    noise: Tensor,
    *,
    steps: int,
    length: int,
    stride: int,
    guidance: Guidance,
    batch: int,
) -> Tensor:
    """Latents of a clip, from noise.

    Args:
        unet: ``ControlledUNet``; in its type it and the ControlNet compute.
        controlnet: ``FlowControlNet``.
        scheduler: ``diffusers.EulerDiscreteScheduler`` as Stable Video Diffusion configures it.
        conditions: of the clip, in the networks' type.
        noise: float32 (T, 4, h, w) of variance 1, T at least ``length``.
        steps: of the denoising.
        length: see ``windows``.
        stride: see ``windows``.
        guidance: along each window.
        batch: windows that go through the networks at once.

    Returns:
        float32 (T, 4, h, w), scaled as the VAE's encoder leaves them times its scaling factor.
    """
    import torch

    weights = windows(len(noise), length, stride)
    frames = torch.tensor([[0, *range(start, start + length - 1)] for start in weights], device=noise.device)
    total = torch.zeros(len(noise), 1, 1, 1, device=noise.device)
    _gather(total, torch.ones(*frames.shape, 1, 1, 1, device=noise.device), weights)

    scheduler.set_timesteps(steps, device=noise.device)
    latents = noise * scheduler.init_noise_sigma
    scales = guidance.scales(length).to(noise.device) if guidance.needed else None
    for timestep in scheduler.timesteps:
        scaled = scheduler.scale_model_input(latents, timestep)
        predictions = torch.cat(
            [_predict(unet, controlnet, conditions, scaled, timestep, some, scales) for some in frames.split(batch)]
        )
        mean = torch.zeros_like(latents)
        _gather(mean, predictions, weights)
        latents = scheduler.step(mean / total, timestep, latents).prev_sample
    return latents


def _gather(clip: Tensor, parts: Tensor, weights: dict[int, int]) -> None:
    """Add windows' frames (W, length, ...), times the windows' weights, to the clip's (T, ...); frame 0 but once."""
    clip[0] += parts[0, 0]
    for part, (start, weight) in zip(parts, weights.items(), strict=True):
        clip[start : start + len(part) - 1] += weight * part[1:]


def _predict(
    unet: Any,
    controlnet: Any,
    conditions: Conditions,
    scaled: Tensor,
    timestep: Tensor,
    frames: Tensor,
    scales: Tensor | None,
) -> Tensor:
    """Float32 predictions (W, length, 4, h, w) for windows of ``frames`` (W, length), guided if there are scales."""
    import torch

    halves = 1 if scales is None else 2  # without and with the image's embedding and latents
    count, length = frames.shape
    shown = torch.ones(halves * count, device=scaled.device, dtype=unet.dtype)
    shown[: (halves - 1) * count] = 0
    image = conditions.latents.expand(halves * count, length, -1, -1, -1) * shown[:, None, None, None, None]
    sample = torch.cat([scaled[frames].to(unet.dtype).repeat(halves, 1, 1, 1, 1), image], dim=2)
    embedding = conditions.embedding.expand(halves * count, -1, -1) * shown[:, None, None]
    time_ids = conditions.time_ids.expand(halves * count, -1)
    features = [feature[frames].repeat(halves, 1, 1, 1, 1).flatten(0, 1) for feature in conditions.features]

    down, middle = controlnet(sample, timestep, embedding, time_ids, features)
    predicted = unet(sample, timestep, embedding, time_ids, down, middle).float()
    if scales is None:
        return predicted
    without, with_image = predicted.chunk(2)
    return without + scales * (with_image - without)


def decode(vae: Any, latents: Tensor, chunk: int) -> Tensor:
    """Frames from latents, so many at a time; the decoder looks along time, but not beyond a chunk.

    Args:
        vae: ``diffusers.AutoencoderKLTemporalDecoder``.
        latents: float32 (T, 4, h, w), as ``denoise`` gives them.
        chunk: frames at once.

    Returns:
        uint8 (T, H, W, 3), on the CPU.

    Raises:
        UserError: the networks gave values that are not finite.
    """
    import torch

    frames = []
    for part in (latents / vae.config.scaling_factor).to(vae.dtype).split(chunk):
        decoded = vae.decode(part, num_frames=len(part)).sample.float()
        if not decoded.isfinite().all():  # of the latents already, or only now
            raise UserError(
                f"mofa: the networks gave values that are not finite in {str(vae.dtype).removeprefix('torch.')}: set "
                "animator.dtype=bf16 or fp32, or check the weights"
            )
        frames.append(((decoded / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu())
    return torch.cat(frames)


def image_embedding(image_encoder: Any, image: Tensor) -> Tensor:
    """What the networks are told of the image as a whole: CLIP's embedding of it at 224 x 224.

    Args:
        image_encoder: ``transformers.CLIPVisionModelWithProjection``.
        image: float32 (3, H, W), 0 to 1. As in the reference implementation, and unlike in Stable Video Diffusion, it
            is not normalised with CLIP's mean and deviation.

    Returns:
        (1, 1, D), in the encoder's type.
    """
    from diffusers.pipelines.stable_video_diffusion.pipeline_stable_video_diffusion import _resize_with_antialiasing

    size = image_encoder.config.image_size
    small = _resize_with_antialiasing(image[None], (size, size))
    return image_encoder(small.to(image_encoder.dtype)).image_embeds[:, None]


def image_latents(vae: Any, image: Tensor, noise: Tensor, strength: float) -> Tensor:
    """The image as the networks see it beside the noisy latents.

    Args:
        vae: ``diffusers.AutoencoderKLTemporalDecoder``; float16 is not enough for its encoder, which then runs in
            float32.
        image: float32 (3, H, W), 0 to 1.
        noise: float32 (3, H, W), of variance 1.
        strength: of the noise, on a scale where the image spans -1 to 1.

    Returns:
        (4, H / 8, W / 8), in the VAE's type, the posterior's mode, not scaled.
    """
    import torch

    dtype = vae.dtype
    enough = torch.float32 if dtype == torch.float16 and vae.config.force_upcast else dtype
    try:
        vae.encoder.to(enough)
        vae.quant_conv.to(enough)
        mode = vae.encode((image * 2 - 1 + strength * noise)[None].to(enough)).latent_dist.mode()
    finally:
        vae.encoder.to(dtype)
        vae.quant_conv.to(dtype)
    return mode[0].to(dtype)
