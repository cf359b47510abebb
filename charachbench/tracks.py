"""What is compared: videos, the landmarks of characters, or landmark sequences."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from charachbench.benchmark.types import Benchmark, BenchmarkSource
from charachbench.config import Track
from charachbench.landmarks.detectors import Detector


def open_for(track: Track, source: BenchmarkSource, detector: Detector, cache: Path) -> Benchmark:
    """The benchmark as a track sees it; each track has its own runs and leaderboard."""
    opened = (source.open_characters if track is Track.landmarks else source.open)(detector, cache)
    if track is Track.animation:
        return opened
    return replace(opened, name=f"{opened.name}-{track.name}", options={**opened.options, "track": track.name})
