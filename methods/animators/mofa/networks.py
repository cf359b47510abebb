"""The networks of MOFA-Video: from public checkpoints, or with random weights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from charachbench import keys, pretrained, weights
from charachbench.errors import UserError
from charachbench.random_weights import calibrate, initialise, pictures

if TYPE_CHECKING:
    import torch

Scale = Literal["tiny", "full"]

SCHEDULE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "use_karras_sigmas": True,
    "sigma_min": 0.002,
    "sigma_max": 700.0,
    "timestep_spacing": "leading",
    "timestep_type": "continuous",
    "steps_offset": 1,
}
"""Of Stable Video Diffusion; Karras et al., "Elucidating the Design Space of Diffusion-Based Generative Models"."""

_TINY_UNET = {
    "block_out_channels": (32, 64, 64, 64),
    "num_attention_heads": (1, 2, 2, 2),
    "layers_per_block": 1,
    "cross_attention_dim": 32,
    "addition_time_embed_dim": 32,
    "projection_class_embeddings_input_dim": 96,
}
FULL_VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
}
_TINY_VAE = {**FULL_VAE, "block_out_channels": (32, 32, 32, 32), "layers_per_block": 1}
_TINY_CLIP = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "projection_dim": 32,
    "image_size": 32,
    "patch_size": 8,
}
_FULL_CLIP = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 16,
    "projection_dim": 1024,
    "image_size": 224,
    "patch_size": 14,
    "hidden_act": "gelu",
}


@dataclass
class Parts:
    """What MOFA-Video consists of, each in evaluation mode.

    Attributes:
        image_encoder: ``transformers.CLIPVisionModelWithProjection``.
        vae: ``diffusers.AutoencoderKLTemporalDecoder``.
        unet: ``ControlledUNet``.
        controlnet: ``FlowControlNet``.
        cmp: ``Cmp``, in float32.
        scheduler: ``diffusers.EulerDiscreteScheduler``.
    """

    image_encoder: Any
    vae: Any
    unet: Any
    controlnet: Any
    cmp: Any
    scheduler: Any


class Networks(ABC):
    """Where the networks come from."""

    @property
    @abstractmethod
    def random(self) -> bool:
        """Whether their weights are random."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Hash of the weights and of the packages that compute with them; loads nothing.

        Raises:
            UserError: the weights are not on this machine.
        """

    @abstractmethod
    def load(self, dtype: torch.dtype) -> Parts:
        """All of them, on the CPU.

        Args:
            dtype: of all but CMP.

        Raises:
            UserError: weights are missing, or of something else.
        """


class Trained(Networks):
    """The public checkpoints.

    Args:
        model: repository of the hub, or folder, with the ControlNet; in a folder also the ControlNet's files alone.
        revision: on the hub; null for the registered commit.
        video_model: Stable Video Diffusion, a name of the hub or a folder in diffusers' layout.
        video_model_revision: likewise.
        variant: of the files of ``video_model``: ``fp16`` for ``*.fp16.safetensors``, null for those without.
        cmp_weights: CMP's checkpoint, a name in the registry of weights or the path of a file.
    """

    FOLDER = "ckpts/mofa/ldmk_controlnet"
    """Of the ControlNet, in its repository."""

    def __init__(
        self,
        model: str = "MyNiuuu/MOFA-Video-Hybrid",
        revision: str | None = None,
        video_model: str = "stabilityai/stable-video-diffusion-img2vid-xt-1-1",
        video_model_revision: str | None = None,
        variant: str | None = "fp16",
        cmp_weights: str = "cmp",
    ) -> None:
        self.model, self.revision = model, revision
        self.video_model, self.video_model_revision = video_model, video_model_revision
        self.variant, self.cmp_weights = variant, cmp_weights

    @property
    def random(self) -> bool:
        """They are not."""
        return False

    def fingerprint(self) -> str:
        """See ``Networks``."""
        hashes = [
            pretrained.fingerprint(self._controlnet[0], self.revision, "animator.networks.model"),
            pretrained.fingerprint(self.video_model, self.video_model_revision, "animator.networks.video_model"),
            weights.fingerprint(self.cmp_weights),
        ]
        weights.locate(self.cmp_weights)  # its hash may be known without it, but no pair can be made
        return keys.digest([hashes, pretrained.package_versions()])

    def load(self, dtype: torch.dtype) -> Parts:
        """See ``Networks``."""
        import torch
        from diffusers import AutoencoderKLTemporalDecoder, EulerDiscreteScheduler
        from transformers import CLIPVisionModelWithProjection

        from methods.animators.mofa.cmp import Cmp, load_state
        from methods.animators.mofa.controlnet import FlowControlNet
        from methods.animators.mofa.unet import ControlledUNet

        with torch.device("meta"):  # weights that are overwritten need not be made up
            cmp = Cmp()
        load_state(cmp.to_empty(device="cpu"), weights.locate(self.cmp_weights))
        folder, options = self._controlnet
        controlnet = pretrained.load_network(
            FlowControlNet.from_pretrained,
            folder,
            self.revision,
            "animator.networks.model",
            strict=True,
            torch_dtype=dtype,
            use_safetensors=True,
            low_cpu_mem_usage=False,
            **options,
        )
        scheduler = self._part(pretrained.load, EulerDiscreteScheduler, "scheduler")
        return Parts(
            self._network(CLIPVisionModelWithProjection, "image_encoder", dtype),
            self._network(AutoencoderKLTemporalDecoder, "vae", dtype, low_cpu_mem_usage=False),
            self._network(ControlledUNet, "unet", dtype, low_cpu_mem_usage=False),
            controlnet,
            cmp.eval().requires_grad_(False),
            scheduler,
        )

    @property
    def _controlnet(self) -> tuple[str, dict[str, str]]:
        """The folder or name of the ControlNet, and the options with which it is found there."""
        folder = Path(self.model).expanduser()
        if not folder.is_dir():
            return self.model, {"subfolder": self.FOLDER}
        return str(folder / self.FOLDER if (folder / self.FOLDER).is_dir() else folder), {}

    def _network(self, kind: Any, folder: str, dtype: torch.dtype, **options: Any) -> Any:
        options = {"torch_dtype": dtype, "variant": self.variant, "use_safetensors": True, "strict": True, **options}
        return self._part(pretrained.load_network, kind, folder, **options)

    def _part(self, load: Callable[..., Any], kind: Any, folder: str, **options: Any) -> Any:
        options = {"subfolder": folder, **options}
        setting = "animator.networks.video_model"
        return load(kind.from_pretrained, self.video_model, self.video_model_revision, setting, **options)


class Random(Networks):
    """The same networks with random weights: what runs is real, what it shows is noise.

    Args:
        scale: ``tiny``, for tests; ``full``, the sizes of the public checkpoints, for timings. CMP has one size.
        seed: of the weights.

    Raises:
        UserError: there is no such scale.
    """

    def __init__(self, scale: Scale = "tiny", seed: int = 0) -> None:
        if scale not in get_args(Scale):
            raise UserError(f"animator.networks.scale={scale}: accepted are {', '.join(get_args(Scale))}")
        self.scale, self.seed = scale, seed

    @property
    def random(self) -> bool:
        """They are."""
        return True

    def fingerprint(self) -> str:
        """See ``Networks``; the weights are in the configuration."""
        return keys.digest(pretrained.package_versions())

    def load(self, dtype: torch.dtype) -> Parts:
        """See ``Networks``."""
        import torch
        from diffusers import AutoencoderKLTemporalDecoder, EulerDiscreteScheduler
        from torch import nn
        from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

        from methods.animators.mofa.cmp import Cmp
        from methods.animators.mofa.controlnet import FlowControlNet
        from methods.animators.mofa.unet import ControlledUNet

        tiny = self.scale == "tiny"
        unet = _TINY_UNET if tiny else {}
        clip = CLIPVisionConfig(**(_TINY_CLIP if tiny else _FULL_CLIP))
        parts = Parts(
            CLIPVisionModelWithProjection(clip),
            AutoencoderKLTemporalDecoder(**(_TINY_VAE if tiny else FULL_VAE)),
            ControlledUNet(num_frames=25, **unet),
            FlowControlNet(**unet),
            Cmp(),
            EulerDiscreteScheduler(**SCHEDULE),
        )
        networks = (parts.image_encoder, parts.vae, parts.unet, parts.controlnet, parts.cmp)
        for network in networks:
            initialise(network.eval().requires_grad_(False), self.seed)
            if network is not parts.cmp:
                nn.Module.to(network, dtype)  # diffusers' own would warn of nothing
        seen = torch.from_numpy(pictures(1, 128, self.seed)).permute(0, 3, 1, 2) / 127.5 - 1
        calibrate(parts.cmp, lambda: parts.cmp(seen, torch.zeros(1, 4, 128, 128)))
        return parts
