"""MOFA-Video as an animator: a character and its landmarks' motion in, a video out.

References: Niu et al., "MOFA-Video", ECCV 2024, and its implementation for long landmark sequences, as FaceShot (ICLR
2025) runs it. Beside what ``sampling``, ``controlnet`` and ``cmp`` say of themselves, these things differ from both:
landmarks, latents, guidance and the schedule are float32 where they were float16, which moved landmarks by up to a
quarter of a pixel; noise is drawn on the CPU, where every machine draws the same; clips shorter than a window are
continued by their last frame, and the continuation is cut off again, where the reference refuses them.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from charachbench.benchmark.framing import Window
from charachbench.errors import UserError
from charachbench.pretrained import Precision, enough_memory, torch_dtype
from charachbench.protocols import Animator, Device, halve
from methods.animators import inputs
from methods.animators.drawing import Curve, draw
from methods.animators.mofa import sampling
from methods.animators.mofa.networks import Networks

if TYPE_CHECKING:
    from torch import Tensor

STRIDE = 64
"""Pixels per cell of the coarsest features."""

CURVES = (
    Curve(tuple(range(17)), (10, 200, 10)),
    Curve((*range(42, 48), 42), (180, 200, 10)),
    Curve(tuple(range(22, 27)), (180, 220, 10)),
    Curve((*range(36, 42), 36), (10, 200, 180)),
    Curve(tuple(range(17, 22)), (10, 220, 180)),
    Curve((27, 28, 29, 30), (10, 200, 250)),
    Curve((31, 32, 33, 34, 35), (250, 200, 10)),
    Curve((54, 55, 56, 57), (10, 180, 20)),
    Curve((48, 59, 58, 57), (20, 10, 180)),
    Curve((64, 65, 66), (100, 100, 30)),
    Curve((60, 67, 66), (100, 150, 50)),
    Curve((51, 52, 53, 54), (20, 80, 100)),
    Curve((51, 50, 49, 48), (80, 100, 20)),
    Curve((62, 63, 64), (120, 100, 200)),
    Curve((62, 61, 60), (150, 120, 100)),
)
"""How the ControlNet was trained to see landmarks: jaw, eyes, brows, nose, outer and inner lips."""


class Mofa(Animator):
    """Stable Video Diffusion, led by dense flow that CMP makes of the landmarks' motion.

    Args:
        networks: the trained ones, or random ones.
        size: at which it works, in pixels, a multiple of 64; characters are resized to it, and frames back.
        window: frames that the networks see at once.
        stride: between windows.
        steps: of the denoising.
        guidance_first: scale of classifier-free guidance for a window's first frame.
        guidance_last: for its last; MOFA-Video has 3, FaceShot 7.5.
        motion_bucket: the amount of motion that the networks are told. The reference asks for 127, but overwrites it.
        rate: frames per second that the networks are told.
        noise_augmentation: strength of the noise on the character that the networks see.
        flow_size: at which CMP works, in pixels, a multiple of 8 from 64.
        drawing_size: at which landmarks are drawn, in pixels, before the drawing is enlarged.
        window_batch: windows that go through the networks at once; more is faster and takes more memory.
        decode_chunk: frames that are decoded at once; the decoder sees no further in time.
        mixed_contexts: repeat a mistake of diffusers 0.24, see ``unet.mix_contexts``: MOFA-Video and FaceShot pin it,
            so their published figures should hold it.
        dtype: ``auto``, ``fp32``, ``fp16`` or ``bf16``; auto is fp16 on a GPU, fp32 elsewhere. CMP is always fp32.
        offload: keep each network on the GPU only while it is needed.
        compile: compile U-Net and ControlNet with ``torch.compile``: slow for the first pair, faster for the others.

    Raises:
        UserError: an argument is out of range.
    """

    without_effect: ClassVar[tuple[str, ...]] = ("window_batch", "offload")  # beyond rounding

    def __init__(
        self,
        networks: Networks,
        size: int = 512,
        window: int = 25,
        stride: int = 12,
        steps: int = 25,
        guidance_first: float = 1.0,
        guidance_last: float = 7.5,
        motion_bucket: int = 128,
        rate: int = 6,
        noise_augmentation: float = 0.02,
        flow_size: int = 384,
        drawing_size: int = 320,
        window_batch: int = 1,
        decode_chunk: int = 8,
        mixed_contexts: bool = True,
        dtype: Precision = "auto",
        offload: bool = False,
        compile: bool = False,  # noqa: A002 - torch's word for it
    ) -> None:
        for setting, value, unit in (("size", size, STRIDE), ("flow_size", flow_size, 8)):
            if value < STRIDE or value % unit:
                raise UserError(f"animator.{setting}={value}: accepted are multiples of {unit} pixels from {STRIDE}")
        if window < 2:
            raise UserError(f"animator.window={window}: accepted are whole numbers of frames from 2")
        if not 1 <= stride < window:
            raise UserError(f"animator.stride={stride}: accepted are whole numbers from 1 to {window - 1}")
        counts = {
            "steps": steps,
            "drawing_size": drawing_size,
            "window_batch": window_batch,
            "decode_chunk": decode_chunk,
            "motion_bucket": motion_bucket,
            "rate": rate,
        }
        for setting, value in counts.items():
            if value < 1:
                raise UserError(f"animator.{setting}={value}: accepted are whole numbers from 1")
        scales = {
            "guidance_first": guidance_first,
            "guidance_last": guidance_last,
            "noise_augmentation": noise_augmentation,
        }
        for setting, number in scales.items():
            if not (np.isfinite(number) and number >= 0):
                raise UserError(f"animator.{setting}={number}: accepted are numbers from 0")
        self.networks, self.size, self.window, self.stride, self.steps = networks, size, window, stride, steps
        self.guidance = sampling.Guidance(guidance_first, guidance_last)
        self.motion_bucket, self.rate, self.noise_augmentation = motion_bucket, rate, noise_augmentation
        self.flow_size, self.drawing_size = flow_size, drawing_size
        self.window_batch, self.decode_chunk = window_batch, decode_chunk
        self.mixed_contexts = mixed_contexts
        self.dtype, self.offload, self.compile = dtype, offload, compile
        self._seen: dict[str, tuple[Tensor, Tensor]] = {}

    @property
    def random(self) -> bool:
        """Whether its networks are."""
        return self.networks.random

    def fingerprint(self) -> str:
        """See ``Animator``; loads nothing."""
        return self._fingerprint

    @functools.cached_property
    def _fingerprint(self) -> str:
        return self.networks.fingerprint()

    def load(self, device: Device) -> None:
        """Load the networks.

        Raises:
            UserError: weights are missing or of something else, or the GPU's memory does not suffice.
        """
        self._device, self._dtype = device, torch_dtype(self.dtype, device)
        self._parts = self.networks.load(self._dtype)
        self._seen.clear()
        if self.mixed_contexts:
            from methods.animators.mofa.unet import mix_contexts

            mix_contexts(self._parts.unet)
            mix_contexts(self._parts.controlnet)
        if not self.offload:
            with self._enough_memory():
                for part in vars(self._parts).values():
                    if hasattr(part, "to"):
                        part.to(device)
        if self.compile:
            self._parts.unet.compile()
            self._parts.controlnet.compile()

    def take_less(self) -> bool:
        """Work on fewer windows at once; then keep on the GPU only what is at work."""
        if halve(self, "window_batch"):
            return True
        if self.offload or not hasattr(self, "_parts"):
            return False
        self.offload = True
        for part in vars(self._parts).values():
            if hasattr(part, "to"):
                part.to("cpu")
        return True

    def render(self, image: np.ndarray, source: np.ndarray, landmarks: np.ndarray, seed: int = 0) -> np.ndarray:
        """See ``Animator.render``.

        The network takes frame 0 for the image itself: where ``landmarks`` do not begin with ``source``, a frame that
        does is put before them and cut off again.

        Raises:
            UserError: an argument is not as it should be, the GPU's memory does not suffice, or the networks gave
                values that are not finite.
        """
        import torch

        inputs.check("mofa", image, source, landmarks)
        if image.shape[0] != image.shape[1]:
            raise UserError(f"mofa: the image must be square, got {image.shape[1]} x {image.shape[0]}")
        window = Window(0, 0, len(image), self.size)
        before = 0 if np.allclose(landmarks[0], source, rtol=0, atol=1e-6) else 1
        sequence = np.concatenate([source[None], landmarks]) if before else landmarks
        sequence = np.pad(sequence, ((0, max(0, self.window - len(sequence))), (0, 0), (0, 0)), mode="edge")

        with self._enough_memory(), torch.inference_mode():
            generator = torch.Generator().manual_seed(seed)
            grain = torch.randn(3, self.size, self.size, generator=generator)
            noise = torch.randn(len(sequence), 4, self.size // 8, self.size // 8, generator=generator)
            conditions = self._conditions(window.image(image), window.points(sequence), grain)
            frames = self._decode(self._denoise(conditions, noise))[before : before + len(landmarks)]
        back = Window(0, 0, self.size, len(image))
        return np.stack([back.image(frame) for frame in frames])

    def _conditions(self, image: np.ndarray, landmarks: np.ndarray, noise: Tensor) -> sampling.Conditions:
        """What the networks are told of an image (size, size, 3) and its landmarks (T, 68, 2)."""
        import torch

        from methods.animators.mofa.cmp import dense_flow

        parts, device, dtype = self._parts, self._device, self._dtype
        pixels = torch.from_numpy(image).to(device).permute(2, 0, 1) / 255
        embedding, latents = self._encoded(image, pixels, noise)
        points = torch.from_numpy(landmarks.astype(np.float32)).to(device)
        with self._at_work(parts.cmp):
            flow = dense_flow(parts.cmp, pixels, points, self.flow_size)
        drawings = torch.from_numpy(draw_landmarks(landmarks, self.size, self.drawing_size)).permute(0, 3, 1, 2)
        with self._at_work(parts.controlnet):
            features = parts.controlnet.condition((pixels * 2 - 1)[None], flow, drawings)
        time_ids = torch.tensor([self.rate, self.motion_bucket, self.noise_augmentation], device=device, dtype=dtype)
        return sampling.Conditions(embedding, latents, features, time_ids)

    def _encoded(self, image: np.ndarray, pixels: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Embedding and latents of the image, kept for other pairs of the same character: some 40 KiB each."""
        key = hashlib.sha256(image.tobytes() + noise.numpy().tobytes()).hexdigest()
        if key not in self._seen:
            parts = self._parts
            with self._at_work(parts.image_encoder):
                embedding = sampling.image_embedding(parts.image_encoder, pixels)
            with self._at_work(parts.vae):
                latents = sampling.image_latents(parts.vae, pixels, noise.to(pixels.device), self.noise_augmentation)
            self._seen[key] = embedding, latents
        return self._seen[key]

    def _denoise(self, conditions: sampling.Conditions, noise: Tensor) -> Tensor:
        parts = self._parts
        with self._at_work(parts.unet), self._at_work(parts.controlnet):
            return sampling.denoise(
                parts.unet,
                parts.controlnet,
                parts.scheduler,
                conditions,
                noise.to(self._device),
                steps=self.steps,
                length=self.window,
                stride=self.stride,
                guidance=self.guidance,
                batch=self.window_batch,
            )

    def _decode(self, latents: Tensor) -> np.ndarray:
        with self._at_work(self._parts.vae):
            return sampling.decode(self._parts.vae, latents, self.decode_chunk).numpy()

    @contextmanager
    def _at_work(self, part: Any) -> Iterator[None]:
        """A network on the device, for as long as it is needed where ``offload`` is set."""
        if not self.offload:
            yield
            return
        try:
            part.to(self._device)
            yield
        finally:
            part.to("cpu")

    def _enough_memory(self) -> Any:
        remedies = "animator.window_batch or animator.decode_chunk, or set animator.offload=true or animator.dtype=fp16"
        return enough_memory(f"mofa at {self.size} pixels", remedies)


def draw_landmarks(landmarks: np.ndarray, size: int, drawing_size: int) -> np.ndarray:
    """The ControlNet's pictures of landmarks: drawn small, as in its training, and enlarged.

    Args:
        landmarks: (T, 68, 2), in pixels of a square image.
        size: of that image and of the result.
        drawing_size: at which they are drawn.

    Returns:
        float32 (T, size, size, 3), 0 to 1. Enlarged linearly: the reference implementation asks for the nearest pixel,
        but in the place of another argument.
    """
    import cv2

    drawings = draw(landmarks * (drawing_size / size), CURVES, drawing_size, drawing_size)
    return np.stack([cv2.resize(drawing.astype(np.float32), (size, size)) for drawing in drawings]) / np.float32(255)
