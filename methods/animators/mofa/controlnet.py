"""MOFA-Video's ControlNet: features of the first frame, moved by a dense flow, and drawn landmarks steer a U-Net.

Reference: Niu et al., "MOFA-Video: Controllable Image Animation via Generative Motion Field Adaptions in Frozen
Image-to-Video Diffusion Model", ECCV 2024, in the variant of its release for landmarks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.unets.unet_3d_blocks import UNetMidBlockSpatioTemporal, get_down_block
from torch import Tensor, nn
from torch.nn.functional import silu

from methods.animators.mofa.splatting import splat
from methods.animators.mofa.unet import run, told

HEADS = (5, 10, 10, 20)
VIDEO_MODEL_HEADS = (5, 10, 20, 20)
"""Of Stable Video Diffusion, whose configuration the checkpoints repeat. The reference implementation builds its blocks
with ``HEADS`` all the same, since its base class never sees the configuration; so it was trained, and so it runs."""
LANDMARK_CHANNELS = (16, 32, 64, 128)
MATTING_CHANNELS = (64, 128, 256, 512)


class FlowControlNet(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Parameters and configuration have the names of the reference implementation's, whose checkpoints it loads.

    Nothing of what it is conditioned on depends on noise or timestep: ``condition`` is for once per clip, ``forward``
    for each step of the denoising.

    Args:
        sample_size: not used, as are ``out_channels``, ``up_block_types`` and ``num_frames``: checkpoints have them.
        in_channels: of noisy latents and the image's latents together.
        out_channels: not used.
        down_block_types: of diffusers' spatio-temporal blocks.
        up_block_types: not used.
        block_out_channels: widths of the blocks, each but the last one at half the scale of the one before.
        addition_time_embed_dim: of each of the three added numbers.
        projection_class_embeddings_input_dim: of the three together.
        layers_per_block: of all blocks, or of each.
        cross_attention_dim: of the image's embedding, for all blocks, or for each.
        transformer_layers_per_block: of all blocks, or of each.
        num_attention_heads: of all blocks, or of each; for ``VIDEO_MODEL_HEADS``, ``HEADS``.
        num_frames: not used.
        conditioning_channels: of the first frame and of the drawn landmarks.
        conditioning_embedding_out_channels: widths in front of the first frame's features.
    """

    @register_to_config
    def __init__(
        self,
        sample_size: int | None = None,  # noqa: ARG002
        in_channels: int = 8,
        out_channels: int = 4,  # noqa: ARG002
        down_block_types: Sequence[str] = (*["CrossAttnDownBlockSpatioTemporal"] * 3, "DownBlockSpatioTemporal"),
        up_block_types: Sequence[str] = (  # noqa: ARG002
            "UpBlockSpatioTemporal",
            *["CrossAttnUpBlockSpatioTemporal"] * 3,
        ),
        block_out_channels: Sequence[int] = (320, 640, 1280, 1280),
        addition_time_embed_dim: int = 256,
        projection_class_embeddings_input_dim: int = 768,
        layers_per_block: int | Sequence[int] = 2,
        cross_attention_dim: int | Sequence[int] = 1024,
        transformer_layers_per_block: int | Sequence[Any] = 1,
        num_attention_heads: int | Sequence[int] = HEADS,
        num_frames: int = 25,  # noqa: ARG002
        conditioning_channels: int = 3,
        conditioning_embedding_out_channels: Sequence[int] = (16, 32, 96, 256),
    ) -> None:
        super().__init__()
        widths, count = block_out_channels, len(block_out_channels)
        layers, dims, depths, heads = (
            [each] * count if isinstance(each, int) else list(each)
            for each in (layers_per_block, cross_attention_dim, transformer_layers_per_block, num_attention_heads)
        )
        if tuple(heads) == VIDEO_MODEL_HEADS:
            heads = list(HEADS)
        embedded = 4 * widths[0]
        self.conv_in = _conv(in_channels, widths[0])
        self.time_proj = Timesteps(widths[0], flip_sin_to_cos=True, downscale_freq_shift=0)
        self.time_embedding = TimestepEmbedding(widths[0], embedded)
        self.add_time_proj = Timesteps(addition_time_embed_dim, flip_sin_to_cos=True, downscale_freq_shift=0)
        self.add_embedding = TimestepEmbedding(projection_class_embeddings_input_dim, embedded)

        self.down_blocks = nn.ModuleList()
        outputs = [widths[0]]
        for index, (kind, width) in enumerate(zip(down_block_types, widths, strict=True)):
            halves = index < count - 1
            block = get_down_block(
                kind,
                num_layers=layers[index],
                transformer_layers_per_block=depths[index],
                in_channels=widths[max(index - 1, 0)],
                out_channels=width,
                temb_channels=embedded,
                add_downsample=halves,
                resnet_eps=1e-5,
                resnet_act_fn="silu",
                cross_attention_dim=dims[index],
                num_attention_heads=heads[index],
            )
            self.down_blocks.append(block)
            outputs += [width] * (layers[index] + halves)
        self.mid_block = UNetMidBlockSpatioTemporal(
            widths[-1],
            temb_channels=embedded,
            transformer_layers_per_block=depths[-1],
            cross_attention_dim=dims[-1],
            num_attention_heads=heads[-1],
        )
        self.controlnet_down_blocks = nn.ModuleList(nn.Conv2d(width, width, 1) for width in outputs)
        self.controlnet_mid_block = nn.Conv2d(widths[-1], widths[-1], 1)

        self.controlnet_cond_embedding = _Embedding(
            [conditioning_channels, *conditioning_embedding_out_channels, widths[0]]
        )
        self.controlnet_ldmk_embedding = _Embedding([conditioning_channels, *LANDMARK_CHANNELS, widths[0]])
        scales = [widths[0], *widths[:-1]]  # widths of the first frame's features at 1/8, 1/16, 1/32, 1/64
        encoders = [_layer("conv_in", nn.SiLU(), *pair, stride=2) for pair in pairwise(scales)]
        self.flow_encoder: Any = nn.ModuleDict({"encoders": nn.ModuleList(encoders)})
        self.occlusions = nn.ModuleDict({_scale(level): _Matting(width) for level, width in enumerate(scales)})
        self.zero_outs = nn.ModuleDict({_scale(level): _conv(width, width, 1) for level, width in enumerate(scales)})

    def condition(self, image: Tensor, flow: Tensor, landmarks: Tensor, chunk: int = 8) -> list[Tensor]:
        """Compute all that is the same at every step of a clip's denoising.

        Args:
            image: the first frame, (1, 3, H, W), -1 to 1, multiples of 64 in height and width.
            flow: of each later frame from the first one, (T - 1, 2, H, W), x before y, in pixels.
            landmarks: as drawn for each frame, (T, 3, H, W), 0 to 1.
            chunk: frames computed at once.

        Returns:
            For ``forward``, at 1/8, 1/16, 1/32 and 1/64 of the image, (T, C, h, w) each, in the network's type.
        """
        drawn = torch.cat(
            [self.controlnet_ldmk_embedding(part.to(image.device, self.dtype)) for part in landmarks.split(chunk)]
        )
        features = [self.controlnet_cond_embedding(image.to(self.dtype))]
        for encoder in self.flow_encoder["encoders"]:
            features.append(encoder(features[-1]))
        conditions = []
        for level, feature in enumerate(features):
            step = int(_scale(level))
            flows = flow.float()[..., ::step, ::step] / step
            moved = [self._moved(level, feature, part) for part in flows.split(chunk) if len(part)]
            condition = torch.cat([feature, *moved])
            if feature.shape[1] == self.config["block_out_channels"][0]:
                condition = condition + drawn[..., :: 2**level, :: 2**level]
            conditions.append(condition)
        return conditions

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        encoder_hidden_states: Tensor,
        added_time_ids: Tensor,
        conditions: Sequence[Tensor],
    ) -> tuple[list[Tensor], Tensor]:
        """Compute residuals for ``ControlledUNet``.

        Args:
            sample: scaled noisy latents and the image's latents, (B, T, 8, h, w), multiples of 8 in height and width.
            timestep: of the scheduler.
            encoder_hidden_states: the image's embedding, (B, 1, D).
            added_time_ids: frames per second, motion bucket and noise on the image, (B, 3).
            conditions: of these frames, as ``condition`` gives them, (B * T, C, h', w') each.

        Returns:
            What is to be added to each output of the U-Net's way down, and to that of its middle, (B * T, C, h', w').
        """
        context = told(self, sample, timestep, encoder_hidden_states, added_time_ids)
        hidden = self.conv_in(sample.flatten(0, 1)) + conditions[0]
        outputs = [hidden]
        for index, block in enumerate(self.down_blocks):
            hidden, made = run(block, hidden, context)
            outputs += made  # without the condition, which goes on to the next block only
            hidden = hidden + conditions[min(index + 1, len(conditions) - 1)]
        hidden = run(self.mid_block, hidden + conditions[-1], context)  # the second time, as in the reference
        residuals = [block(output) for block, output in zip(self.controlnet_down_blocks, outputs, strict=True)]
        return residuals, self.controlnet_mid_block(hidden)

    def _moved(self, level: int, feature: Tensor, flow: Tensor) -> Tensor:
        """(1, C, h, w) moved by float32 (n, 2, h, w), with holes and what is uncovered filled in."""
        scale, feature = _scale(level), feature.expand(len(flow), -1, -1, -1)
        warped = splat(feature.float(), flow).to(feature.dtype)
        return self.zero_outs[scale](self.occlusions[scale](feature, flow.to(feature.dtype), warped))


class _Embedding(nn.Module):
    """An image's features at 1/8, through convolutions of given widths of inputs and outputs."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        first, *widths, last = channels
        self.conv_in = _conv(first, widths[0])
        self.blocks = nn.ModuleList()
        for before, after in pairwise(widths):
            self.blocks += [_conv(before, before), _conv(before, after, stride=2)]
        self.conv_out = _conv(widths[-1], last)

    def forward(self, image: Tensor) -> Tensor:
        hidden = silu(self.conv_in(image))
        for block in self.blocks:
            hidden = silu(block(hidden))
        return self.conv_out(hidden)


class _Matting(nn.Module):
    """Where features were moved to, and what to put elsewhere, from an hourglass that stays at one scale."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half, *inner = MATTING_CHANNELS
        downs = [_layer("conv", nn.ReLU(), *pair) for pair in pairwise([2 * width + 2, *inner])]
        ups = [_layer("conv", nn.ReLU(), inner[-1], inner[-2])]
        ups += [_layer("conv", nn.ReLU(), 2 * before, after) for before, after in pairwise([*inner[-2::-1], half])]
        self.hourglass: Any = nn.ModuleDict(
            {
                "encoder": nn.ModuleDict({"down_blocks": nn.ModuleList(downs)}),
                "decoder": nn.ModuleDict({"up_blocks": nn.ModuleList(ups)}),
            }
        )
        self.matting_mask = _conv(half, 1, 7)
        self.matting = _conv(half, width, 7)

    def forward(self, reference: Tensor, flow: Tensor, warped: Tensor) -> Tensor:
        hidden = torch.cat([reference, flow, warped], dim=1)
        skips = []
        for down in self.hourglass["encoder"]["down_blocks"]:
            hidden = down(hidden)
            skips.append(hidden)
        for index, up in enumerate(self.hourglass["decoder"]["up_blocks"]):
            skip = skips.pop()
            hidden = up(torch.cat([skip, hidden], dim=1) if index else skip)
        mask = self.matting_mask(hidden).sigmoid()
        return warped * mask + self.matting(hidden) * (1 - mask)


def _scale(level: int) -> str:
    """Pixels of the image per pixel of features, as parameters are named."""
    return str(8 * 2**level)


def _conv(before: int, after: int, size: int = 3, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(before, after, size, stride, padding=size // 2)


def _layer(name: str, activation: nn.Module, before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(OrderedDict({name: _conv(before, after, stride=stride), "activation": activation}))
