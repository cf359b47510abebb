"""Real files of each format, made by this project's own writers, and those of ``../shared`` where they are."""

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from charachbench.video import Video, write_lossless, write_preview
from tests.fakes import clip, image, landmarks
from tests.fuzz.readers import READERS

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def make(corpus: Path, *, shared: bool = True) -> None:
    """A folder for each format, with a folder for each case; with ``shared``, photos and a video take their time."""
    for name in READERS:
        (corpus / name).mkdir(parents=True)
    _images(corpus)
    _videos(corpus)
    _arrays(corpus)
    _benchmark(corpus / "benchmark" / "case")
    for name in ("fomm", "lia", "live_portrait", "follow_your_emoji"):
        _case(corpus, "recipe", f"{name}.yaml").write_bytes(
            (Path(__file__).parents[2] / "conf" / "method" / f"{name}.yaml").read_bytes()
        )
    _results(corpus)
    _weights(_case(corpus, "tar", "weights.tar"))
    _gallery(corpus)
    if not shared:
        return
    for path in sorted(SHARED.glob("characters/*.jpg"))[:2]:
        shutil.copyfile(path, _case(corpus, "jpg", path.name))
    for path in sorted(SHARED.glob("drivers/*.mp4"))[:1]:
        shutil.copyfile(path, _case(corpus, "mp4", path.name))


def _case(corpus: Path, name: str, file: str) -> Path:
    path = corpus / name / file.replace(".", "-") / file
    path.parent.mkdir(exist_ok=True)
    return path


def _images(corpus: Path) -> None:
    from PIL import Image

    picture = Image.fromarray(image("a"))
    clear = picture.convert("RGBA")
    clear.putalpha(Image.fromarray(image("b")[..., 0]))
    turned = Image.Exif()
    turned[0x0112], turned[0x010E] = 6, "a description"
    deep = Image.fromarray(image("a")[..., 0].astype(np.uint16) * 257)
    for name, each in {"rgb": picture, "rgba": clear, "palette": picture.quantize(16), "16": deep}.items():
        each.save(_case(corpus, "png", f"{name}.png"))
    picture.save(_case(corpus, "png", "exif.png"), exif=turned)
    picture.save(_case(corpus, "png", "animated.png"), save_all=True, append_images=[picture.rotate(90)])
    picture.save(_case(corpus, "jpg", "baseline.jpg"), exif=turned)
    picture.save(_case(corpus, "jpg", "progressive.jpg"), progressive=True)
    picture.convert("CMYK").save(_case(corpus, "jpg", "cmyk.jpg"))
    picture.save(_case(corpus, "jpg", "several.jpg"), format="MPO", save_all=True, append_images=[picture])
    picture.save(_case(corpus, "webp", "lossy.webp"), exif=turned)
    clear.save(_case(corpus, "webp", "clear.webp"), lossless=True)
    picture.save(_case(corpus, "webp", "animated.webp"), save_all=True, append_images=[picture.rotate(90)])


def _videos(corpus: Path) -> None:
    from PIL import Image

    made = clip("a", 6)
    write_lossless(made, _case(corpus, "mkv", "lossless.mkv"))
    write_preview(made, _case(corpus, "mp4", "preview.mp4"))
    _encode(made, _case(corpus, "webm", "vp8.webm"), "libvpx")
    _encode(made, _case(corpus, "webm", "vp9.webm"), "libvpx-vp9")
    first, *rest = [Image.fromarray(frame) for frame in made.frames]
    first.save(_case(corpus, "gif", "animated.gif"), save_all=True, append_images=rest, duration=40)


def _encode(made: Video, path: Path, codec: str) -> None:
    import av

    with av.open(str(path), "w") as output:
        stream: Any = output.add_stream(codec, rate=25)
        stream.height, stream.width = made.size
        stream.pix_fmt = "yuv420p"
        for frame in made.frames:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        output.mux(stream.encode(None))


def _arrays(corpus: Path) -> None:
    points = landmarks("a", 4)
    np.save(_case(corpus, "npy", "picture.npy"), points[0])
    np.save(_case(corpus, "npy", "video.npy"), points.astype(np.float32))
    np.save(_case(corpus, "npy", "whole.npy"), np.asfortranarray(points.round().astype(">i2")))
    path = _case(corpus, "npz", "detections.npz")
    np.savez(path, points=points, detected=np.ones(4, bool), size=np.array([64, 80]))


def _benchmark(root: Path) -> None:
    from PIL import Image

    (root / "characters").mkdir(parents=True)
    for name in ("cat", "dog"):
        Image.fromarray(image(name)).save(root / "characters" / f"{name}.png")
    for name in ("anna", "bob"):
        (root / "drivers" / name).mkdir(parents=True)
        Image.fromarray(image(name)).save(root / "drivers" / name / "0.png")
        np.save(root / "drivers" / f"{name}.npy", landmarks(name, 1))
    (root / "benchmark.yaml").write_text(
        "name: pets\nsize: 64\nfps: 12.5\nlicence: CC0\npairs:\n  - [cat, anna]\n  - [dog, bob]\n"
    )


def _results(corpus: Path) -> None:
    """A store with a run, its leaderboard, its bundle, and an answered study."""
    from charachbench.commands import leaderboard, study
    from charachbench.config import StudyConfig
    from charachbench.evaluate import build_metrics
    from charachbench.leaderboard.collect import without_paths
    from charachbench.leaderboard.facts import FILE, MetricFacts
    from charachbench.store import write_json
    from charachbench.study import design
    from tests.fuzz.readers import _config
    from tests.study.simulated import answer_all
    from tests.submission.bundles import bundled, opened

    made = corpus / "record" / "case"
    config = _config(made / "results")
    bundle = bundled(config, clips=True)
    store, benchmark = opened(config)
    folder = store.benchmark_folder(benchmark)
    board = leaderboard.make(config, benchmark, store, build_metrics(config))
    assert board is not None
    for sums in (False, True):
        case = corpus / "parquet" / str(sums)
        case.mkdir()
        shutil.copyfile(folder / "benchmark.json", case / "benchmark.json")
        write_json(case / FILE, {each.signature: MetricFacts.of(each).model_dump() for each in board.metrics})
        without_paths(board.scores).to_parquet(case / "scores.parquet", index=False, write_page_checksum=sums)
    shutil.copytree(corpus / "parquet", corpus / "metrics", dirs_exist_ok=True)
    config.study = StudyConfig(cases=2, raters=1, checks=1, questions=["motion"])
    study.execute(config)
    answered = design.folder_of(config, benchmark, store)
    answer_all(answered, {"roll": 5.0})
    for name in ("key", "response"):
        shutil.copytree(answered, corpus / name / "case", ignore=shutil.ignore_patterns("page"))
    shutil.rmtree(answered)
    for name in ("zip", "manifest"):
        (corpus / name / "case").mkdir()
        shutil.copyfile(bundle, corpus / name / "case" / "bundle.zip")
    shutil.rmtree(bundle.parent)
    for name in ("scores", "run"):
        shutil.copytree(made, corpus / name / "case")


def _weights(path: Path) -> None:
    import io
    import json
    import tarfile

    from charachbench.weights import REGISTRY

    name = next(name for name, entry in REGISTRY.items() if entry.sha256 is None and entry.size is None)
    data, member = b"weights" * 100, f"{name}/{REGISTRY[name].file}"
    about = {"path": member, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    entry = {"name": name, "licence": "", "revision": None, "files": [about]}
    with tarfile.open(path, "w") as tar:
        manifest = json.dumps({"format": 1, "weights": [entry]}).encode()
        for inside, content in (("manifest.json", manifest), (member, data)):
            info = tarfile.TarInfo(inside)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def _gallery(corpus: Path) -> None:
    from methods.faceshot.encoder import Encoder
    from methods.faceshot.gallery import write
    from tests.methods.faceshot.models import CAST, MeanColour, Waves

    with tempfile.TemporaryDirectory() as folder:
        encoder = Encoder(Waves(), MeanColour(), Path(folder) / "cache", "cpu")
        path = write(CAST, encoder, Path(folder), "cast")
        shutil.copyfile(path, _case(corpus, "gallery", "cast.safetensors"))
