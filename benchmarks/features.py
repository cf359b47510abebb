"""Time and memory of a character's features and matching: ``python -m benchmarks.features``.

Needs a CUDA GPU, and no weights: the networks have the published shapes and random weights. ``--tiny`` runs small ones,
on a CPU too, to see that everything works.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from charachbench.pretrained import torch_dtype
from methods.faceshot.features.stable_diffusion import Dift, FaceShotSD
from methods.faceshot.matching import match

LANDMARKS, TOKENS = 68, 77
REPEATS = 5

Shapes = dict[str, Any]

UNET: Shapes = {"sample_size": 64, "block_out_channels": (320, 640, 1280, 1280)}
MODELS: dict[str, Shapes] = {
    "SD 1.5": {**UNET, "cross_attention_dim": 768, "attention_head_dim": 8},
    "SD 2.1": {
        **UNET,
        "cross_attention_dim": 1024,
        "attention_head_dim": (5, 10, 20, 20),
        "use_linear_projection": True,
    },
}
VAE: Shapes = {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "sample_size": 512}
TINY: Shapes = {"block_out_channels": (8, 16, 16, 16), "norm_num_groups": 4, "layers_per_block": 1}


def networks(name: str, device: str, tiny: bool) -> tuple[Any, Any]:
    """U-Net and VAE of a model, with the initial weights of their layers."""
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel

    unet = {**MODELS[name], **({**TINY, "attention_head_dim": 4} if tiny else {})}
    vae = {**VAE, **(TINY if tiny else {})}
    kinds = {"down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}
    torch.manual_seed(0)
    torch.set_default_dtype(torch_dtype("auto", device))
    with torch.device(device):  # made in place: filling them on a CPU takes minutes
        made = UNet2DConditionModel(**unet), AutoencoderKL(**vae, **kinds, latent_channels=4)
    torch.set_default_dtype(torch.float32)
    return made


def scheduler(inverse: bool) -> Any:
    """Stable Diffusion's."""
    from diffusers import DDIMInverseScheduler, DDIMScheduler

    settings: Any = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "clip_sample": False}
    return (DDIMInverseScheduler if inverse else DDIMScheduler)(**settings, steps_offset=1)


def milliseconds(job: Callable[[], object], device: str) -> float:
    """Median of some runs, after one to warm up."""
    import torch

    times = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        job()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times[1:])


def measure(name: str, features: Dift | FaceShotSD, device: str, tiny: bool) -> None:
    """Print one line on features of one image and the matching of 68 targets."""
    import torch

    unet, vae = networks(name, device, tiny)
    prompt = torch.randn(1, TOKENS, MODELS[name]["cross_attention_dim"])
    features.use(unet, vae, scheduler(isinstance(features, FaceShotSD)), prompt, device)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (features.size, features.size, 3), np.uint8)
    maps = features.extract([image])[0]
    targets = rng.normal(size=(LANDMARKS, len(maps))).astype(np.float32)
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    extraction = milliseconds(lambda: features.extract([image]), device)
    matching = milliseconds(lambda: match(maps, targets, features.size, device=device), device)
    memory = f", {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB at most" if device == "cuda" else ""
    dtype = str(features._dtype).removeprefix("torch.")
    print(
        f"{name}, {type(features).__name__}, {features.size} px, {dtype}: "
        f"features {extraction:.0f} ms, matching {matching:.0f} ms{memory}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tiny", action="store_true", help="small networks and images, as a smoke test")
    tiny = parser.parse_args().tiny

    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda":
        print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    else:
        print("no CUDA GPU here: nothing is measured" + (", small networks run on the CPU" if tiny else ""))
        if not tiny:
            return
    size = 64 if tiny else 512
    for name in MODELS:
        for features in (Dift(size=size), FaceShotSD(size=size)):
            measure(name, features, device, tiny)


if __name__ == "__main__":
    main()
