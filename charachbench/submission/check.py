"""What is wrong with a bundle, or with a folder of clips, a sentence each."""

from __future__ import annotations

import functools
import math
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from charachbench import video
from charachbench.benchmark.files import is_video, listed
from charachbench.benchmark.types import Benchmark, Driver, Pair
from charachbench.differences import differences
from charachbench.errors import UserError
from charachbench.evaluate import RANDOM_SUFFIX, NamedMetric
from charachbench.leaderboard.comparison import Design, within
from charachbench.progress import track
from charachbench.store import RunInfo, pair_inputs
from charachbench.submission.anonymous import anonymous
from charachbench.submission.clips import Clips, in_folder
from charachbench.submission.read import strangers
from charachbench.submission.schema import OUTPUTS, SCORES, Bundle, Clip, Score, member
from charachbench.submission.write import facts, method_facts

_ROUND_OFF = 1e-6
"""Share of the largest score, or of a thousandth, by which a figure may differ from what the scores give."""


def contradictions(bundle: Bundle, benchmark: Benchmark) -> list[str]:
    """Where a bundle contradicts the benchmark, or itself; metrics and clips are not looked at."""
    checks = (_benchmark(bundle, benchmark), _method(bundle), _coverage(bundle, benchmark), _inputs(bundle, benchmark),
              _scores(bundle), _figures(bundle))  # fmt: skip
    return [problem for check in checks for problem in check]


def unlike_metrics(bundle: Bundle, metrics: Sequence[NamedMetric]) -> list[str]:
    """Where a bundle's metrics are not the configured ones."""
    own, configured = {each.name: each for each in bundle.manifest.metrics}, {each.name: each for each in metrics}
    problems = [f"metric '{name}' is not configured here{hint}" for name, hint in strangers(own, configured)]
    problems += [f"lacks the metric '{name}'" for name in configured if name not in own]
    for name in sorted(own.keys() & configured.keys()):
        if why := own[name].unlike(facts(configured[name])):
            problems.append(f"metric '{name}' is of another protocol than here: {why}")
    return problems


def unlike_method(bundle: Bundle, info: RunInfo) -> list[str]:
    """Where a bundle's method is not the configured one."""
    own = bundle.manifest.method.model_dump(exclude={"name", "key", "about"})
    wanted = {name: value for name, value in method_facts(info).items() if name in own}
    return [f"method is not as here: {difference}" for difference in differences(wanted, own)]


def wrong_clips(clips: Clips, benchmark: Benchmark) -> list[str]:
    """Which clips are missing, damaged, or not those that were bundled."""
    bundled = clips.bundle.manifest.clips
    wanted = {member(clip.pair, output) for clip in bundled for output in clip.files}
    problems = [
        f"{clips.where} holds '{name}', which was not bundled{hint}" for name, hint in strangers(clips.names, wanted)
    ]
    pairs = {pair.name: pair for pair in benchmark.pairs}
    for clip in track(bundled, "check clips"):
        try:
            if clip.pair in pairs:
                clips.sample(clip, pairs[clip.pair])
        except UserError as error:
            problems.append(str(error))
    return problems


def wrong_files(folder: Path, benchmark: Benchmark) -> list[str]:
    """Which videos of a folder are missing, wrongly named, undecodable, or of another length than their drivers.

    Raises:
        UserError: there is no such folder, or a link leads out of it.
    """
    found, problems = in_folder(folder)
    known = {member(pair.name, output) for pair in benchmark.pairs for output in OUTPUTS}
    others = [path for name, path in found.items() if name not in known]
    problems += [f"'{path.name}' is no video of a known ending" for path in others if not is_video(path)]
    strange = {path.stem: path.name for path in others if is_video(path)}
    for stem, hint in strangers(strange, [pair.name for pair in benchmark.pairs]):
        problems.append(f"'{strange[stem]}' is of no pair of {benchmark.name}{hint}")
    problems += _alike([path.stem for path in found.values() if is_video(path)], "file")
    for pair in track(benchmark.pairs, "check clips"):
        path, frames = found.get(member(pair.name, "video.mkv")), len(pair.driver.video)
        if path is None:
            problems.append(f"{pair.name}: has no video")
            continue
        try:
            count = sum(1 for _ in islice(video.decode(path)[1], frames + 1))
        except UserError as error:
            problems.append(str(error))
        else:
            if count != frames:
                problems.append(f"{path.name}: has {'more' if count > frames else count} frames, its driver {frames}")
    return problems


def _benchmark(bundle: Bundle, benchmark: Benchmark) -> Iterator[str]:
    own = bundle.manifest.benchmark
    here = {"name": benchmark.name, "options": anonymous(benchmark.options)}
    for difference in differences(here, {"name": own.name, "options": own.options}):
        yield f"benchmark is not as here: {difference}"
    yield from _alike([pair.name for pair in own.pairs], "pair")
    known = {pair.name: pair for pair in benchmark.pairs}
    for name, hint in strangers([pair.name for pair in own.pairs], known):
        yield f"pair '{name}' is not of {benchmark.name}{hint}"
    if lacking := known.keys() - {pair.name for pair in own.pairs}:
        yield f"lacks pairs of {benchmark.name}: {listed(sorted(lacking))}"
    for pair in own.pairs:
        if (other := known.get(pair.name)) is not None:
            there = {"character": other.character.name, "driver": other.driver.name, "domain": other.character.domain}
            for difference in differences(there, pair.model_dump(exclude={"name"})):
                yield f"pair '{pair.name}' is not as here: {difference}"


def _method(bundle: Bundle) -> Iterator[str]:
    method, metrics = bundle.manifest.method, bundle.manifest.metrics
    if "truth" in method.given and not method.control:
        yield "method was given the truth, but is not marked as a control"
    yield from _alike([metric.name for metric in metrics], "metric")
    for metric in metrics:
        if metric.random != metric.name.endswith(RANDOM_SUFFIX):
            yield f"metric '{metric.name}': names end in {RANDOM_SUFFIX} if, and only if, weights are random"


def _coverage(bundle: Bundle, benchmark: Benchmark) -> Iterator[str]:
    clips, failures = bundle.manifest.clips, bundle.manifest.failures
    told = [clip.pair for clip in clips] + [failure.pair for failure in failures]
    yield from _alike(told, "clip or failure of pair")
    known = [pair.name for pair in benchmark.pairs]
    for name, hint in strangers(told, known):
        yield f"clip or failure of '{name}', which is no pair of {benchmark.name}{hint}"
    if lacking := set(known) - set(told):
        yield f"says neither clip nor failure of {listed(sorted(lacking))}"
    count = sum(environment.clips for environment in bundle.manifest.environments)
    if count != len(clips):
        yield f"environments made {count} clips, but there are {len(clips)}"


def _inputs(bundle: Bundle, benchmark: Benchmark) -> Iterator[str]:
    """Of what the clips were made, and whether they are as long and large as that asks for."""
    pairs = {pair.name: pair for pair in benchmark.pairs}
    for clip in bundle.manifest.clips:
        if (pair := pairs.get(clip.pair)) is not None:
            yield from _unlike_pair(clip, pair, bundle.manifest.method.given)


def _unlike_pair(clip: Clip, pair: Pair, given: Sequence[str]) -> Iterator[str]:
    for what, fingerprint in pair_inputs(pair, list(given)).items():
        if clip.inputs.get(what) != fingerprint:
            yield f"clip of {clip.pair}: was made of another {what} than is here (its fingerprint differs)"
    frames, (height, width) = _length(pair.driver), pair.character.image.shape[:2]
    if clip.frames != frames:
        yield f"clip of {clip.pair}: has {clip.frames} frames, its driver {frames}"
    if (clip.height, clip.width) != (height, width):
        yield f"clip of {clip.pair}: frames are {clip.width} x {clip.height}, its character {width} x {height}"
    if ("video.mkv" in clip.files) != (clip.frames_sha256 is not None) or not clip.files:
        yield f"clip of {clip.pair}: needs hashes of a video and of its frames, or of landmarks"


@functools.lru_cache(maxsize=4096)
def _length(driver: Driver) -> int:
    """Decoded once for all bundles of a board."""
    return len(driver.video)


def _scores(bundle: Bundle) -> Iterator[str]:
    clips, failures = ({each.pair for each in part} for part in (bundle.manifest.clips, bundle.manifest.failures))
    pairs, metrics = clips | failures, [metric.name for metric in bundle.manifest.metrics]
    for name, hint in strangers([score.pair for score in bundle.scores], pairs):
        yield f"{SCORES}: pair '{name}' has neither clip nor failure{hint}"
    for name, hint in strangers([score.metric for score in bundle.scores], metrics):
        yield f"{SCORES}: metric '{name}' is not in the manifest{hint}"
    counts = Counter((score.pair, score.metric) for score in bundle.scores)
    for (pair, metric), count in counts.items():
        if count > 1:
            yield f"{SCORES}: {metric} of {pair} is there {count} times"
    for metric in metrics:
        if lacking := [pair for pair in sorted(pairs) if (pair, metric) not in counts]:
            yield f"{SCORES}: lacks {metric} of {listed(lacking)}"
    for score in bundle.scores:
        if score.pair in pairs and (why := _contradiction(score, failed=score.pair in failures)):
            yield f"{SCORES}: {score.metric} of {score.pair} is {score.status}, {why}"


def _contradiction(score: Score, *, failed: bool) -> str:
    if failed != (score.status == "failed"):
        return "but the pair failed" if failed else "but the pair has a clip"
    if score.status != "scored":
        return "" if score.value is None else "but has a value"
    if score.value is None:
        return "but has no value"
    return "" if math.isfinite(score.value) else "but its value is not finite"


def _figures(bundle: Bundle) -> Iterator[str]:
    """Whether they are what the scores give."""
    manifest = bundle.manifest
    names = [metric.name for metric in manifest.metrics]
    figures = [figure.metric for figure in manifest.figures]
    yield from _alike(figures, "figure of metric")
    for name, hint in strangers(figures, names):
        yield f"figure of '{name}', which is no metric of the manifest{hint}"
    if lacking := [name for name in names if name not in figures]:
        yield f"lacks the figures of {listed(lacking)}"
    values = {
        (score.metric, score.pair): score.value
        for score in bundle.scores
        if score.value is not None and math.isfinite(score.value)
    }
    limits = {metric.name: metric.limits for metric in manifest.metrics}
    for figure in manifest.figures:
        if figure.metric not in limits:
            continue
        scored = [pair for pair in manifest.benchmark.pairs if (figure.metric, pair.name) in values]
        made: dict[str, float | None] = {"pairs": len(scored), "value": None, "low": None, "high": None}
        scale = 0.0
        if scored:
            own = np.array([[values[figure.metric, pair.name] for pair in scored]], dtype=np.float64)
            shared = Design(np.array([pair.character for pair in scored]), np.array([pair.driver for pair in scored]))
            made["value"], scale = float(own.mean()), float(np.abs(own).max())
            made["low"], made["high"] = within(shared.intervals(own)[0], limits[figure.metric]) or (None, None)
        for what, number in made.items():
            told: float | None = getattr(figure, what)
            if not _same(told, number, scale):
                yield f"figure of {figure.metric}: {what} is {told}, but the scores give {number}"


def _same(one: float | None, other: float | None, scale: float) -> bool:
    return one is other if one is None or other is None else abs(one - other) <= _ROUND_OFF * max(scale, 1e-3)


def _alike(names: Iterable[str], what: str) -> Iterator[str]:
    """Which are there more than once, also where only case or Unicode form tells them apart."""
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    for name in names:
        spellings[unicodedata.normalize("NFC", name).casefold()][name] += 1
    for found in spellings.values():
        if found.total() > 1:
            same = " and ".join(f"'{name}'" for name in found)
            yield f"{what} {same} is there {found.total()} times" + (", case aside" if len(found) > 1 else "")
