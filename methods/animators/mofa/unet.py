"""The U-Net of Stable Video Diffusion with the residuals of a ControlNet, and what it shares with that.

Reference: Blattmann et al., "Stable Video Diffusion: Scaling Latent Video Diffusion Models to Large Datasets", 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from diffusers.models.attention import TemporalBasicTransformerBlock
from diffusers.models.unets.unet_spatio_temporal_condition import UNetSpatioTemporalConditionModel
from torch import Tensor


def told(
    network: Any, sample: Tensor, timestep: Tensor | float, encoder_hidden_states: Tensor, added_time_ids: Tensor
) -> dict[str, Tensor]:
    """What each block is told besides the frames.

    Args:
        network: a ``ControlledUNet`` or a ``FlowControlNet``.
        sample: (B, T, C, h, w).
        timestep: of the scheduler, one for all.
        encoder_hidden_states: the image's embedding, (B, 1, D).
        added_time_ids: frames per second, motion bucket and noise on the image, (B, 3).

    Returns:
        Keyword arguments for ``run``, for B * T frames.
    """
    batch, frames = sample.shape[:2]
    timesteps = torch.as_tensor(timestep, device=sample.device).reshape(-1).expand(batch)
    embedding = network.time_embedding(network.time_proj(timesteps).to(sample.dtype))
    added = network.add_time_proj(added_time_ids.flatten()).reshape(batch, -1)
    embedding = embedding + network.add_embedding(added.to(sample.dtype))
    return {
        "temb": embedding.repeat_interleave(frames, dim=0, output_size=batch * frames),
        "encoder_hidden_states": encoder_hidden_states.repeat_interleave(frames, dim=0, output_size=batch * frames),
        "image_only_indicator": sample.new_zeros(batch, frames),  # all of them are frames of a video
    }


def run(block: Any, sample: Tensor, context: dict[str, Tensor], **more: Any) -> Any:
    """Run one of diffusers' spatio-temporal blocks, of which some have no cross-attention.

    Args:
        block: down, middle or up.
        sample: (B * T, C, h, w).
        context: see ``told``.
        more: further arguments of the block.

    Returns:
        What the block does.
    """
    if not getattr(block, "has_cross_attention", False):
        context = {name: value for name, value in context.items() if name != "encoder_hidden_states"}
    return block(hidden_states=sample, **context, **more)


def mix_contexts(network: Any) -> None:
    """From now on, tell the temporal layers of the wrong images, as diffusers 0.24 did.

    It laid out the images' embeddings as (pixel, clip) beside rows that are (clip, pixel). In a batch of guidance's two
    halves, without and with the image, every other pixel is therefore told what the other half should be.

    Args:
        network: whose batches are, half by half, clips without and with the image, all of one image.
    """

    def mixed(_: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        told_of = keywords["encoder_hidden_states"]  # (B * h * w, 1, D)
        clips = len(arguments[0]) // keywords["num_frames"]
        if clips % 2:  # no guidance
            return arguments, keywords
        pixels = len(told_of) // clips
        halves = torch.stack([told_of[0], told_of[-1]])
        rows = halves[torch.arange(2 * pixels, device=halves.device) % 2].unflatten(0, (2, 1, pixels))
        rows = rows.expand(-1, clips // 2, -1, -1, -1).flatten(0, 2)
        return arguments, {**keywords, "encoder_hidden_states": rows}

    for module in network.modules():
        if isinstance(module, TemporalBasicTransformerBlock):
            module.register_forward_pre_hook(mixed, with_kwargs=True)


class ControlledUNet(UNetSpatioTemporalConditionModel):
    """The same parameters and configuration as its parent, whose checkpoints it loads."""

    def forward(  # type: ignore[override]
        self,
        sample: Tensor,
        timestep: Tensor | float,
        encoder_hidden_states: Tensor,
        added_time_ids: Tensor,
        down_residuals: Sequence[Tensor],
        mid_residual: Tensor,
    ) -> Tensor:
        """Predict from noisy latents, as the scheduler's type of prediction is.

        Args:
            sample: scaled noisy latents and the image's latents, (B, T, 8, h, w), multiples of 8 in height and width.
            timestep: of the scheduler.
            encoder_hidden_states: the image's embedding, (B, 1, D).
            added_time_ids: frames per second, motion bucket and noise on the image, (B, 3).
            down_residuals: of ``FlowControlNet``, (B * T, C, h', w') each.
            mid_residual: of ``FlowControlNet``, (B * T, C, h', w').

        Returns:
            (B, T, 4, h, w).
        """
        context = told(self, sample, timestep, encoder_hidden_states, added_time_ids)
        hidden = self.conv_in(sample.flatten(0, 1))
        skips, times = [hidden], [len(self.down_blocks)]
        for index, block in enumerate(self.down_blocks):
            hidden, outputs = run(block, hidden, context)
            skips += outputs
            times += [len(self.down_blocks) - index] * len(outputs)
        # MOFA-Video adds what there is of the residuals after each of the blocks, so the first ones several times. Its
        # ControlNet was trained so.
        skips = [skip + count * part for skip, count, part in zip(skips, times, down_residuals, strict=True)]
        hidden = run(self.mid_block, hidden, context) + mid_residual
        for block in self.up_blocks:
            start = len(skips) - len(block.resnets)  # type: ignore[arg-type]
            hidden = run(block, hidden, context, res_hidden_states_tuple=tuple(skips[start:]))
            skips = skips[:start]
        prediction = self.conv_out(self.conv_act(self.conv_norm_out(hidden)))
        return prediction.unflatten(0, sample.shape[:2])
