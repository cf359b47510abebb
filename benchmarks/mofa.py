"""Time and memory of MOFA-Video by stage, and of FaceShot's front end: ``python -m benchmarks.mofa``.

Needs a CUDA GPU, and no weights: the networks have the published sizes and random weights. ``--tiny`` runs small ones,
on a CPU too, to see that everything works. ``--reference`` adds what the reference implementation computes over and
over, with our modules: the conditions of each window, at every step and for both halves of guidance, frame by frame.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from charachbench.pretrained import torch_dtype
from charachbench.provenance import PeakMemory, resolve_device
from charachbench.random_weights import pictures
from methods.animators.mofa import sampling
from methods.animators.mofa.animator import Mofa
from methods.animators.mofa.networks import Random
from methods.faceshot.retargeting import FaceShotContinuous

TINY = {"size": 64, "window": 9, "stride": 4, "steps": 3, "flow_size": 64}
FRAMES = 50
FPS = 25.0


class Staged(Mofa):
    """Counts the seconds of each stage of a rendering."""

    seconds: dict[str, float]

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of this block."""
        start = time.perf_counter()
        yield
        if self._device != "cpu":
            import torch

            torch.cuda.synchronize()
        self.seconds[name] += time.perf_counter() - start

    def render(self, *arguments: Any) -> np.ndarray:
        """See ``Mofa``."""
        self.seconds = defaultdict(float)
        with self.stage("all"):
            return super().render(*arguments)

    def _encoded(self, *arguments: Any) -> Any:
        with self.stage("encode the character"):
            return super()._encoded(*arguments)

    def _conditions(self, *arguments: Any) -> Any:
        with self.stage("all conditions"):
            return super()._conditions(*arguments)

    def _denoise(self, *arguments: Any) -> Any:
        with self.stage("denoise"):
            return super()._denoise(*arguments)

    def _decode(self, *arguments: Any) -> Any:
        with self.stage("decode"):
            return super()._decode(*arguments)


class Repeating(Staged):
    """Computes again what the reference implementation does."""

    def _denoise(self, conditions: sampling.Conditions, noise: Any) -> Any:
        import torch

        times = self.steps * sum(sampling.windows(len(noise), self.window, self.stride).values())
        shape = self.size, self.size
        where: Any = {"device": self._device, "dtype": self._dtype}
        image, drawings = torch.rand(1, 3, *shape, **where), torch.rand(self.window, 3, *shape, **where)
        flow = torch.randn(self.window - 1, 2, *shape, device=self._device)
        with self.stage("conditions, as often as the reference"):
            for _ in range(times):
                condition_as_reference(self._parts.controlnet, image, flow, drawings)
        return super()._denoise(conditions, noise)


def condition_as_reference(network: Any, image: Any, flow: Any, drawings: Any) -> None:
    """What ``FlowControlNet.condition`` computes, for both halves of guidance and one frame after the other."""
    network.controlnet_ldmk_embedding(drawings.repeat(2, 1, 1, 1))
    features = [network.controlnet_cond_embedding(image.repeat(2, 1, 1, 1))]
    for encoder in network.flow_encoder["encoders"]:
        features.append(encoder(features[-1]))
    for level, feature in enumerate(features):
        step = 8 * 2**level
        for frame in flow[..., ::step, ::step].split(1):
            network._moved(level, feature, frame.repeat(2, 1, 1, 1) / step)


def motion(frames: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A driver's landmarks (T, 68, 2) that turn and grow a little, and a character's (68, 2)."""
    rng = np.random.default_rng(0)
    points = rng.uniform(-0.2, 0.2, (68, 2)) * size
    angles = 0.2 * np.sin(np.linspace(0, 2 * np.pi, frames))
    turns = np.array([[[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]] for angle in angles])
    return points @ turns + size / 2, points + size / 2


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", nargs="+", default=["bf16"], choices=["fp32", "fp16", "bf16"])
    parser.add_argument("--window-batch", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--compile", action="store_true", help="the compiled networks too")
    parser.add_argument("--reference", action="store_true", help="what the reference computes again, too")
    options = parser.parse_args()

    device = resolve_device(options.device)
    settings: dict[str, Any] = TINY if options.tiny else {"size": options.size, "steps": options.steps}
    networks = Random("tiny" if options.tiny else "full")
    driver, source = motion(options.frames, settings["size"])
    image = pictures(1, settings["size"])[0]
    start = time.perf_counter()
    landmarks = FaceShotContinuous().retarget(driver, source)
    print(f"retargeting of {options.frames} frames: {1000 * (time.perf_counter() - start):.1f} ms")

    kinds = [Staged, Repeating] if options.reference else [Staged]
    compiled = [False, True] if options.compile else [False]
    for dtype, batch, kind, quick in itertools.product(options.dtype, options.window_batch, kinds, compiled):
        animator = kind(networks, **settings, dtype=dtype, window_batch=batch, compile=quick)
        animator.load(device)
        if quick or device != "cpu":
            animator.render(image, source, landmarks)  # compiles, and chooses kernels
        memory = PeakMemory(device)
        animator.render(image, source, landmarks)
        stages = dict(animator.seconds)
        total = stages.pop("all")
        peak = memory.read()
        print(
            f"{kind.__name__}, {torch_dtype(dtype, device)}, window_batch={batch}{', compiled' if quick else ''}: "
            f"{total:.2f} s, {len(landmarks) / total:.2f} frames/s, peak {peak['gpu'] or peak['ram']:.0f} MiB"
        )
        for name, seconds in stages.items():
            print(f"    {name:40} {seconds:8.3f} s")
        del animator


if __name__ == "__main__":
    main()
