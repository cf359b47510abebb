"""Speed and memory of landmark matching, and against upsampling the features: ``python -m benchmarks.matching``."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

from methods.faceshot.matching import match

CHANNELS, CELLS, SIDE, LANDMARKS = 1280, 32, 512, 68

Matcher = Callable[[np.ndarray, np.ndarray, str], np.ndarray]


def ours(features: np.ndarray, targets: np.ndarray, device: str) -> np.ndarray:
    return match(features, targets, SIDE, device=device)


def plain(features: np.ndarray, targets: np.ndarray, device: str) -> np.ndarray:
    """The plain way: upsample every channel, normalise every pixel, then one product for each landmark."""
    import torch
    from torch.nn.functional import interpolate, normalize

    cells = torch.tensor(features, device=device)[None]
    pixels = normalize(interpolate(cells, size=(SIDE, SIDE), mode="bilinear")[0].flatten(1), dim=0)
    best = [int((vector @ pixels).argmax()) for vector in torch.tensor(targets, device=device)]
    return np.stack((np.array(best) % SIDE, np.array(best) // SIDE), axis=1)


def peak_megabytes(device: str) -> float:
    """Most memory that this process, or the device, has held so far."""
    import torch

    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def measure(matcher: Matcher, device: str, repeats: int) -> tuple[float, float, np.ndarray]:
    """Fastest seconds of ``repeats`` runs, megabytes on top of what the process already held, and the matches."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(CHANNELS, CELLS, CELLS)).astype(np.float32)
    targets = rng.normal(size=(LANDMARKS, CHANNELS)).astype(np.float32)
    match(features[:8, :4, :4], targets[:, :8], 8, device=device)
    held, times = peak_megabytes(device), []
    for _ in range(repeats):
        start = time.perf_counter()
        found = matcher(features, targets, device)
        times.append(time.perf_counter() - start)
    return min(times), peak_megabytes(device) - held, found


def main() -> None:
    import torch

    for device in ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]:
        results = []
        for matcher, repeats in ((ours, 5), (plain, 1 if device == "cpu" else 5)):
            with ProcessPoolExecutor(1, get_context("spawn")) as process:  # so that each has a peak of its own
                results.append(process.submit(measure, matcher, device, repeats).result())
        (seconds, megabytes, found), (plain_seconds, plain_megabytes, plainly_found) = results
        where = f"{torch.get_num_threads()} threads" if device == "cpu" else torch.cuda.get_device_name()
        print(
            f"matching {CHANNELS} x {CELLS} x {CELLS} to {SIDE} px, {LANDMARKS} targets, {where}: {seconds:.3f} s, "
            f"{plain_seconds / seconds:.0f} x upsampled features ({plain_seconds:.2f} s); {megabytes:.0f} MB, "
            f"against {plain_megabytes:.0f} MB; {(found == plainly_found).all(axis=1).mean():.0%} of the matches equal"
        )


if __name__ == "__main__":
    main()
