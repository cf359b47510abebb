"""Operations and memory of MOFA-Video at full size, counted without running it: ``python -m benchmarks.mofa_cost``.

Tensors have shapes and no data, so any machine will do. A multiply and an add count as two operations. Memory is of the
tensors that are alive at the peak, in float16; what an allocator loses comes on top.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from diffusers import AutoencoderKLTemporalDecoder
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker
from torch.utils.flop_counter import FlopCounterMode

from methods.animators.mofa.cmp import TRAINED_ON, Cmp
from methods.animators.mofa.controlnet import FlowControlNet
from methods.animators.mofa.networks import FULL_VAE
from methods.animators.mofa.sampling import windows
from methods.animators.mofa.unet import ControlledUNet

SIZE, WINDOW, STRIDE, STEPS, CHUNK = 512, 25, 12, 25, 8


def teraflops(job: Callable[[], Any]) -> float:
    """Operations of a job, in units of 10 ** 12."""
    with FlopCounterMode(display=False) as counter:
        job()
    return counter.get_total_flops() / 1e12


def gibibytes(networks: list[Any], job: Callable[[], Any]) -> float:
    """Tensors alive at a job's peak, those of the networks among them."""
    tracker = MemTracker()
    tracker.track_external(*networks)
    with tracker:
        job()
    (peak,) = tracker.get_tracker_snapshot("peak").values()
    return float(peak["Total"]) / 2**30


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=50)
    options = parser.parse_args()
    side = SIZE // 8
    torch.set_default_dtype(torch.float16)
    with FakeTensorMode(), torch.no_grad():
        controlnet, unet, cmp = FlowControlNet().eval(), ControlledUNet().eval(), Cmp().eval()
        vae: Any = AutoencoderKLTemporalDecoder(**FULL_VAE)

        def step(count: int) -> None:
            shapes = ((320, side), (320, side // 2), (640, side // 4), (1280, side // 8))
            features = [torch.empty(2 * count * WINDOW, width, here, here) for width, here in shapes]
            clip = torch.empty(2 * count, WINDOW, 8, side, side), torch.tensor(1.0), torch.empty(2 * count, 1, 1024)
            time_ids = torch.empty(2 * count, 3)
            unet(*clip, time_ids, *controlnet(*clip, time_ids, features))

        def decode() -> None:
            vae.decode(torch.empty(CHUNK, 4, side, side), num_frames=CHUNK)

        def flow(frames: int) -> None:
            encoded = cmp.encode(torch.empty(1, 3, TRAINED_ON, TRAINED_ON))
            cmp.propagate(encoded, torch.empty(frames - 1, 4, TRAINED_ON, TRAINED_ON))

        for name, network in (("ControlNet", controlnet), ("U-Net", unet), ("VAE", vae), ("CMP", cmp)):
            print(f"{name}: {sum(p.numel() for p in network.parameters()) / 1e6:.0f} million parameters")
        one, decoded = teraflops(lambda: step(1)), teraflops(decode) / CHUNK
        count = len(windows(options.frames, WINDOW, STRIDE))
        print(f"a window's step: {one:.1f} TFLOP; a frame's decoding: {decoded:.2f} TFLOP")
        print(f"{options.frames} frames, {count} windows, {STEPS} steps: {count * STEPS * one / 1000:.2f} PFLOP")
        print(f"    decoding: {options.frames * decoded:.1f} TFLOP")
        print(f"    CMP: {teraflops(lambda: flow(options.frames)):.2f} TFLOP")
        for at_once in (1, 2):
            peak = gibibytes([controlnet, unet], partial(step, at_once))
            print(f"U-Net and ControlNet, window_batch={at_once}: {peak:.1f} GiB at the peak")
        print(f"decoding {CHUNK} frames: {gibibytes([vae], decode):.1f} GiB at the peak")


if __name__ == "__main__":
    main()
