"""Of each format: real files, how they are damaged, and what reading one must give."""

import json
import math
import random
import shutil
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz.mutations import LONG, PLACEHOLDERS, as_json, damaged, restructured, with_sums

Right = str
"""``right``, or ``remade``: a file of a store that is told to be missing, and made again."""


class Reader(ABC):
    """Of one format.

    Args:
        subject: path of what is damaged, below the folder of a case; ``*`` where files stand for themselves.
    """

    def __init__(self, subject: str, read: Callable[[Path], Right], fixed: Callable[[bytes], bytes] = bytes) -> None:
        self.subject, self._read, self.fixed = subject, read, fixed

    def mutate(self, originals: Path, work: Path, rng: random.Random) -> None:
        """Fill ``work`` with one of the cases in ``originals``, damaged."""
        shutil.rmtree(work)
        cases = sorted(originals.iterdir())
        case = rng.choice(cases)
        shutil.copytree(case, work)
        path, other = (next(folder.glob(self.subject)) for folder in (work, rng.choice(cases)))
        path.write_bytes(self.changed(path, other, rng))

    @abstractmethod
    def changed(self, path: Path, other: Path, rng: random.Random) -> bytes:
        """What becomes of a file; ``other`` is another one of its kind."""

    def read(self, work: Path) -> Right:
        """Whether what is read is well-formed; raises what the reader does."""
        return self._read(next(work.glob(self.subject)))


class Bytes(Reader):
    """Of files that are more than text."""

    def changed(self, path: Path, other: Path, rng: random.Random) -> bytes:
        made = damaged(path.read_bytes(), other.read_bytes(), rng)
        return self.fixed(made) if rng.random() < 0.7 else made


class Json(Reader):
    """Of JSON: its structure, and now and then its bytes."""

    def changed(self, path: Path, other: Path, rng: random.Random) -> bytes:
        if rng.random() < 0.25:
            return damaged(path.read_bytes(), other.read_bytes(), rng)
        return as_json(restructured(json.loads(path.read_bytes()), rng))


class Yaml(Reader):
    """Likewise of YAML, and what only YAML can say."""

    def changed(self, path: Path, other: Path, rng: random.Random) -> bytes:
        import yaml

        if rng.random() < 0.35:
            return damaged(path.read_bytes(), other.read_bytes(), rng)
        if rng.random() < 0.15:
            return rng.choice(_YAML)
        value = restructured(yaml.safe_load(path.read_bytes()), rng)
        text = yaml.safe_dump(value, allow_unicode=True)
        for name, meant in PLACEHOLDERS.items():
            text = text.replace(f"'{name[1:-1]}'", meant)
        return text.encode("utf-8", "surrogatepass")


_LAUGHS = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10) if n else 'lol'}]\n" for n in range(12))
_YAML = (
    f"{_LAUGHS}pairs: *a11".encode(), b"&a [*a]", b"pairs: &a [[cat, anna], *a]", b"!!python/object/apply:os.abort []",
    b"name: !!binary x", b"size: 0x", b"size: 1:1:1:1:1:1:1:1", b"size: 2024-99-99", b"{{}: 1}", b"[" * 50_000,
    b"? " * 50_000,
    f"size: {LONG}".encode(), b"fps: .inf", b"fps: .nan", b"name: \"\\ud800\"", b"name: \"a\\nb\"",
    b"licence: \"\\e[31m\"",
    b"<<: {size: 64}", b"<<: 1", b"--- 1\n--- 2", b"%YAML 9.9\n--- 1",
    b"name: 2024-01-01", b"size: 1_000_000_000_000", b"\xff\xfe",
)  # fmt: skip


def _rezipped(archive: Path, member: str, data: bytes) -> bytes:
    with zipfile.ZipFile(archive) as packed:
        held = {name: packed.read(name) for name in packed.namelist()}
    with zipfile.ZipFile(archive, "w") as packed:
        for name, content in {**held, member: data}.items():
            packed.writestr(name, content)
    return archive.read_bytes()


class Manifests(Json):
    """Of the manifest within a bundle."""

    def changed(self, path: Path, other: Path, rng: random.Random) -> bytes:
        with zipfile.ZipFile(path) as packed:
            manifest = packed.read("manifest.json")
        made = damaged(manifest, manifest, rng) if rng.random() < 0.25 else None
        return _rezipped(path, "manifest.json", made or as_json(restructured(json.loads(manifest), rng)))


class Tables(Bytes):
    """Of Parquet: its bytes, and its columns."""

    def changed(self, path: Path, other: Path, rng: random.Random) -> bytes:
        import pandas as pd

        if rng.random() < 0.7:
            return super().changed(path, other, rng)
        table = pd.read_parquet(path)
        name = rng.choice(list(table.columns))
        values: list[Any] = [
            None, np.nan, np.inf, "", 1, "../x", b"x", True, pd.Timestamp("2020-01-01"), [1, 2], {"a": 1}, "x" * 10_000,
        ]  # fmt: skip
        if rng.random() < 0.3:
            table = table.drop(columns=name)
        elif rng.random() < 0.8:
            value = rng.choice(values)
            table[name] = pd.Series([value] * len(table), index=table.index)
        else:
            table = table.sample(frac=rng.choice((0, 0.5, 3)), replace=True, random_state=rng.randrange(100))
        table.to_parquet(path, index=False)
        return path.read_bytes()


def read_image(path: Path) -> Right:
    from charachbench.benchmark.images import read_image

    image = read_image(path)
    assert image.dtype == np.uint8
    assert image.ndim == 3
    assert image.shape[2] == 3
    assert 0 < image.size <= 3 * 2**26
    return "right"


def read_video(path: Path) -> Right:
    from charachbench import video
    from charachbench.benchmark.clips import Clip
    from charachbench.benchmark.framing import Framing
    from charachbench.benchmark.sampling import Sampling
    from charachbench.landmarks.detectors import Given

    size = path.stat().st_size
    if size % 2:
        made = video.read(path)
    else:  # sampled in time, which a file's timestamps decide
        made = Clip("x", path, None, Sampling(fps=25.0), Framing(16, "none"), Given(), path.parent).video()
    assert made.frames.dtype == np.uint8
    assert made.frames.ndim == 4
    assert 0.001 < made.fps < 100_000
    return "right"


def read_landmarks(path: Path) -> Right:
    from charachbench.errors import UserError
    from charachbench.landmarks import sidecar
    from charachbench.store import read_array

    stored = read_array(path)
    assert stored is None or stored.dtype.kind in "biufc"
    sequence = stored is not None and stored.ndim == 3
    try:
        points = sidecar.read(path, (64, 80), sequence=sequence)
    except UserError:
        if stored is None:
            raise
        return "remade"  # an array, but none of landmarks
    assert points.dtype == np.float64
    assert points.shape[-2:] == (68, 2)
    assert np.isfinite(points).all()
    return "right"


def read_detections(path: Path) -> Right:
    from charachbench import untrusted
    from charachbench.benchmark.clips import _detections

    return "remade" if _detections(untrusted.read_arrays(path)) is None else "right"


def read_benchmark(path: Path) -> Right:
    from charachbench.benchmark.folder import Folder
    from charachbench.landmarks.detectors import Given

    benchmark = Folder(root=str(path.parent)).open(Given(), path.parent)
    assert {pair.name for pair in benchmark.pairs} <= {"cat__anna", "dog__anna", "cat__bob", "dog__bob"}
    json.dumps(benchmark.options, allow_nan=False).encode()
    assert f"{benchmark.name}{benchmark.licence}".isprintable()
    return "right"


def read_recipe(path: Path) -> Right:
    import yaml

    from charachbench.config import build
    from charachbench.protocols import Method

    try:
        node = yaml.safe_load(path.read_bytes())
    except Exception:  # Hydra's to tell
        return "right"
    if not isinstance(node, dict) or node.get("_target_") != "methods.external.External":
        return "right"  # another class: whoever writes a configuration may name any
    node = {name: value for name, value in node.items() if name in ("_target_", "recipe", "keep")}
    build(node, "method", Method)
    return "right"


def read_store(path: Path) -> Right:
    """``record.json``, ``scores.json``, ``run.json`` or ``benchmark.json`` of a run."""
    from charachbench.leaderboard.collect import collect

    root = next(parent for parent in path.parents if parent.name == "results")
    config = _config(root)
    store, benchmark = _opened(config)
    metrics = _metrics(config)
    whole = len(benchmark.pairs) * len(metrics)
    scores = collect(store, benchmark, metrics)
    assert len(scores) in (0, whole)
    for row in scores.itertuples():
        if row.status == "scored":
            assert not math.isinf(float(str(row.value)))  # NaN for what is a number of sets
            assert Path(str(row.array)).resolve().is_relative_to(root.resolve())
            assert not isinstance(row.reference, str) or Path(row.reference).resolve().is_relative_to(root.resolve())
    return "right" if (scores["status"] == "scored").sum() == whole else "remade"


def read_bundle(path: Path) -> Right:
    from charachbench.submission.check import contradictions
    from charachbench.submission.read import read

    _, benchmark = _opened(_config(path.parent / "results"))
    bundle, problems = read(path, [pair.name for pair in benchmark.pairs])
    told = problems + contradictions(bundle, benchmark)
    assert all(isinstance(each, str) and each.isprintable() for each in told), told
    return "right"


def read_key(path: Path) -> Right:
    from charachbench.study import design

    assert design.read(path.parent) is not None
    return "right"


def read_answers(path: Path) -> Right:
    from charachbench.study import design, responses

    study = design.read(path.parents[1])
    assert study is not None
    raters, problems = responses.read(path.parent, study)
    assert len(raters) + len(problems) == 1
    return "right" if raters else "remade"


def read_results(path: Path) -> Right:
    from charachbench.leaderboard.changes import compare, read

    found = read(path.parent)
    compare(found, found)
    return "right"


def read_weights(path: Path) -> Right:
    import charachbench.weights as registry
    from charachbench.weights import bundle

    registry.folders = lambda: [path.parent / "weights"]
    done, reasons = bundle.install(path)
    assert all(isinstance(each, str) for each in [*done, *reasons])
    placed = [each for each in path.parent.rglob("*") if each.is_file() and each != path]
    assert all(each.is_relative_to(path.parent / "weights") for each in placed)
    return "right" if done else "remade"


def read_gallery(path: Path) -> Right:
    from methods.faceshot.gallery import Stored

    source = Stored(str(path))
    about, tensors = source._read()
    assert isinstance(source.fingerprint(path.parent), str)
    assert len(about["characters"]) == len(tensors["landmarks"])
    return "right"


def _config(results: Path) -> Any:
    from tests.submission.bundles import configured

    return configured(results, benchmark_characters=2, benchmark_drivers=2, benchmark_frames=3)


def _opened(config: Any) -> Any:
    from tests.submission.bundles import opened

    return opened(config)


def _metrics(config: Any) -> Any:
    from charachbench.evaluate import build_metrics

    return build_metrics(config)


READERS: dict[str, Reader] = {
    "png": Bytes("*", read_image, with_sums),
    "jpg": Bytes("*", read_image),
    "webp": Bytes("*", read_image),
    "mp4": Bytes("*", read_video),
    "mkv": Bytes("*", read_video),
    "webm": Bytes("*", read_video),
    "gif": Bytes("*", read_video),
    "npy": Bytes("*", read_landmarks),
    "npz": Bytes("*", read_detections),
    "benchmark": Yaml("benchmark.yaml", read_benchmark),
    "recipe": Yaml("*", read_recipe),
    "record": Json("results/tiny-*/roll-*/c1__d1-*/record.json", read_store),
    "scores": Json("results/tiny-*/roll-*/c1__d1-*/scores.json", read_store),
    "run": Json("results/tiny-*/roll-*/run.json", read_store),
    "zip": Bytes("bundle.zip", read_bundle),
    "manifest": Manifests("bundle.zip", read_bundle),
    "key": Json("key.json", read_key),
    "response": Json("responses/*.json", read_answers),
    "parquet": Tables("scores.parquet", read_results),
    "metrics": Json("metrics.json", read_results),
    "tar": Bytes("weights.tar", read_weights),
    "gallery": Bytes("*", read_gallery),
}
