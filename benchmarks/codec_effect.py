"""What storing compressed videos does to every metric: bytes, time, shifts of the scores, and whether rankings survive.

``python -m benchmarks.codec_effect [OVERRIDES]`` generates once, without loss, stores the same frames with each codec,
scores them and prints two Markdown tables: what a codec costs, and by how much the methods' mean score shifts. In
brackets is how unevenly methods shift, as a share of the smallest gap between two of them: about 100% swaps two, and
it is bold where it does. ± is half of a figure's 95% interval.

``--full`` takes all codecs and more methods and pairs (a quarter of an hour); ``--methods`` and ``--codecs`` take lists
with commas; overrides choose benchmark and metrics, as on the command line of charachbench.
"""

import argparse
import functools
import itertools
import logging
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks import seconds
from charachbench import codecs, config, keys, video
from charachbench.benchmark.folder import spread
from charachbench.benchmark.types import Benchmark
from charachbench.commands import open_benchmark
from charachbench.evaluate import NamedMetric, build_metrics, evaluate
from charachbench.generate import generate
from charachbench.leaderboard.aggregate import aggregate
from charachbench.leaderboard.board import Column, Leaderboard
from charachbench.leaderboard.collect import collect
from charachbench.protocols import Animation
from charachbench.store import REFERENCES, Store, write_json

QUICK = ("still,warp", "lossless,h264_crf23", ["benchmark.drivers=1", "benchmark.frames=8"])
FULL = (
    "still,warp,faceshot,shuffled",  # two that are close, one that hardly moves and one that moves wrongly
    "lossless,lossless_small,h264_crf0,h264_444_crf18,h264_crf18,h264_crf23,h264_crf28,h264_crf35",
    ["benchmark.drivers=2", "benchmark.frames=16"],
)
"""Methods, codecs and the benchmark's settings."""
TIMED = 4
"""Clips of each method that are timed."""


@dataclass
class Cost:
    """Of one codec: bytes, pixels, frames and seconds, of all videos together."""

    size: int = 0
    pixels: int = 0
    frames: int = 0
    encode: float = 0.0
    decode: float = 0.0


def settings(results: Path, overrides: list[str], method: str | None = None) -> config.Config:
    """The configuration of a job."""
    from hydra import compose, initialize_config_module

    config.register()
    chosen = [f"method={method}"] if method else []
    with initialize_config_module("conf", version_base="1.3"):
        composed = compose("config", [*chosen, f"method_name={method or 'null'}", f"results={results}", *overrides])
    return config.resolve(composed)


def stored(source: Store, root: Path, benchmark: Benchmark, codec: str, cost: Cost) -> Store:
    """A store of the same frames in another codec, references shared; counts its bytes."""
    store = Store(root)
    (source.root / REFERENCES).mkdir(exist_ok=True)
    (root / REFERENCES).symlink_to(source.root / REFERENCES, target_is_directory=True)
    for run in source.runs(benchmark):
        key = keys.digest([run.info.key, codec])
        copy = store.find_run(benchmark, replace(run.info, key=key, control=False))
        copy.create()
        for pair in benchmark.pairs:
            entry, record = run.finished(benchmark)[pair.name]
            sample = entry.read_sample(pair, record)
            made, other = sample.video, copy.entry(pair, record["inputs"])
            other.folder.mkdir()
            animation = Animation(made, sample.landmarks, sample.first_landmarks)
            outputs = other.write_animation(animation, codec)
            write_json(other.folder / "record.json", record | {"outputs": outputs})
            cost.size, cost.frames = cost.size + other.video_path.stat().st_size, cost.frames + len(made)
            cost.pixels += made.frames.size // 3
    return store


def timed(source: Store, scratch: Path, benchmark: Benchmark, costs: dict[str, Cost]) -> None:
    """Encode and decode some clips of each method with each codec in turn, so that all meet the same load."""
    for run in source.runs(benchmark):
        finished = run.finished(benchmark)
        for pair in spread(list(benchmark.pairs), TIMED):
            made = finished[pair.name][0].read_sample(pair, finished[pair.name][1]).video
            for codec, cost in costs.items():
                cost.encode += seconds(functools.partial(video.write, made, scratch, codec), 3)
                cost.decode += seconds(functools.partial(video.read, scratch), 3)


def scored(one: config.Config, benchmark: Benchmark, store: Store, metrics: list[NamedMetric]) -> Leaderboard:
    """The leaderboard of a store, once it is scored."""
    for run in store.runs(benchmark):
        evaluate(one, benchmark, run, metrics)
    return aggregate(collect(store, benchmark, metrics), metrics, slices=False)


def figures(board: Leaderboard, name: str, methods: list[str]) -> np.ndarray:
    """(M,) of one metric; NaN where there is none."""
    found = [row.cells.get(name) if (row := board.row(method)) else None for method in methods]
    return np.array([np.nan if cell is None or cell.value is None else cell.value for cell in found])


def costs(of: dict[str, Cost]) -> str:
    """A table of bytes and times."""
    base = of[codecs.LOSSLESS]
    lines = ["| `store.codec` | bytes a frame | a pixel | of lossless | encoding takes | decoding takes |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, cost in of.items():
        share = cost.size / base.size
        lines.append(
            f"| `{name}` | {cost.size / cost.frames:,.0f} | {cost.size / cost.pixels:.3f} | {share:.1%} "
            f"| {cost.encode / base.encode:.1f} x | {cost.decode / base.decode:.1f} x |"
        )
    return "\n".join(lines)


def half_width(board: Leaderboard, name: str, methods: list[str]) -> float:
    """Mean half width of the methods' 95% intervals; NaN where there are none."""
    rows = [row for row in board.rows if row.method in methods]
    found = [width for row in rows if (width := row.cells[name].half_width) is not None]
    return float(np.mean(found)) if found else np.nan


def effect(column: Column, boards: dict[str, Leaderboard], methods: list[str]) -> str | None:
    """A line of the table of shifts; None where not every method has the metric."""
    before = figures(boards[codecs.LOSSLESS], column.name, methods)
    if np.isnan(before).any():
        return None
    couples = list(itertools.combinations(range(len(methods)), 2))
    gaps = [abs(before[a] - before[b]) for a, b in couples]
    gap = min((each for each in gaps if each > 10.0**-column.decimals / 2), default=np.nan)
    width = half_width(boards[codecs.LOSSLESS], column.name, methods)
    cells = [column.heading, column.text(float(np.mean(before)))]
    cells += ["–" if np.isnan(each) else f"{each:.3g}" for each in (width, gap)]
    for codec, board in boards.items():
        if codec == codecs.LOSSLESS:
            continue
        after = figures(board, column.name, methods)
        shift = after - before
        uneven = np.ptp(shift)  # what all methods lose alike changes no ranking
        swapped = any((before[a] - before[b]) * (after[a] - after[b]) < 0 for a, b in couples)
        told = f"{np.mean(shift):+.3g} ({uneven / gap:.0%})"
        cells.append(f"**{told}**" if swapped else told)
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--methods")
    parser.add_argument("--codecs")
    arguments, overrides = parser.parse_known_args()
    preset = FULL if arguments.full else QUICK
    methods, names = (arguments.methods or preset[0]).split(","), (arguments.codecs or preset[1]).split(",")
    overrides = overrides or preset[2]
    boards = {}
    with tempfile.TemporaryDirectory() as folder:
        source = Store(Path(folder) / "source")
        for method in methods:
            one = settings(source.root, overrides, method)
            benchmark = open_benchmark(one, source)
            generate(one, benchmark, source)
        metrics, spent = build_metrics(one), {codec: Cost() for codec in names}
        for codec in names:
            store = stored(source, Path(folder) / codec, benchmark, codec, spent[codec])
            boards[codec] = scored(one, benchmark, store, metrics)
        timed(source, Path(folder) / "timed.mkv", benchmark, spent)
    print(f"{benchmark.name}: {len(benchmark.pairs)} pairs of {', '.join(methods)}\n\n{costs(spent)}\n")
    shown = [codec for codec in names if codec != codecs.LOSSLESS]
    print("| metric | lossless | ± | smallest gap | " + " | ".join(f"`{codec}`" for codec in shown) + " |")
    print("| --- |" + " ---: |" * (3 + len(shown)))
    for column in boards[codecs.LOSSLESS].columns:
        if (line := effect(column, boards, methods)) is not None:
            print(line)


if __name__ == "__main__":
    logging.disable(logging.INFO)
    main()
