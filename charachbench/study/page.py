"""The page of a study: a folder that opens from disk, without a network, and tells nothing of methods."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from charachbench.benchmark.types import Benchmark, Pair
from charachbench.config import StudyKind
from charachbench.progress import track
from charachbench.store import Entry, Store, atomic_write
from charachbench.study.design import Study
from charachbench.video import write_preview

FOLDER, MEDIA, INDEX = "page", "media", "index.html"
SCHEMA = 1
"""Of the files that the page makes (``charachbench.study.responses``)."""
QUESTIONS = {
    StudyKind.rating: {
        "motion": "How well does the result follow the motion of the driving video?",
        "identity": "How much does the result look like the character?",
        "overall": "How good is the result overall?",
    },
    StudyKind.pairwise: {
        "motion": "Which result follows the motion of the driving video better?",
        "identity": "Which result looks more like the character?",
        "overall": "Which result is better overall?",
    },
}
HINTS = {
    StudyKind.rating: "You can answer now: 1 is the worst, {} the best.",
    StudyKind.pairwise: "You can answer now.",
}
LABELS = {"left": "left is better", "tie": "no difference", "right": "right is better"}


def write(folder: Path, name: str, study: Study, benchmark: Benchmark, store: Store) -> Path:
    """Write the page and what it shows; media that are there already are kept, those of another study removed.

    Args:
        folder: where to.
        name: of the study.
        study: what is shown.
        benchmark: whose pairs.
        store: where the videos are.

    Returns:
        The file to open.

    Raises:
        UserError: a video is not what was generated.
    """
    media, wanted = folder / MEDIA, _media(study, benchmark, store)
    media.mkdir(parents=True, exist_ok=True)
    for path in media.iterdir():
        if path.name not in wanted:
            path.unlink()
    for file in track(sorted(wanted.keys() - {path.name for path in media.iterdir()}), "videos"):
        atomic_write(media / file, wanted[file])
    index, text = folder / INDEX, _html(name, study)
    atomic_write(index, lambda aside: aside.write_text(text, encoding="utf-8"))
    return index


def _media(study: Study, benchmark: Benchmark, store: Store) -> dict[str, Callable[[Path], None]]:
    """By file name, what writes it: of each case the character and the driver, and the methods' videos.

    All videos are encoded here, in one way, from what was made and scored, whatever the previews in the store are.
    """
    pairs = {pair.name: pair for pair in benchmark.pairs}
    finished = {run.info.key: run.finished(benchmark) for run in store.runs(benchmark) if run.info.key in study.methods}
    files: dict[str, Callable[[Path], None]] = {}
    for name, case in study.cases.items():
        files[f"{name}.png"] = partial(_write_character, pairs[case.pair])
        files[f"{name}.mp4"] = partial(_write_driver, pairs[case.pair])
    for name, video in study.videos.items():
        pair = pairs[study.cases[video.case].pair]
        files[f"{name}.mp4"] = partial(_write_result, pair, *finished[video.run][pair.name])
    return files


def _write_character(pair: Pair, path: Path) -> None:
    from PIL import Image

    Image.fromarray(pair.character.image).save(path, "PNG")


def _write_driver(pair: Pair, path: Path) -> None:
    write_preview(pair.driver.video, path)


def _write_result(pair: Pair, entry: Entry, record: dict[str, Any], path: Path) -> None:
    write_preview(entry.read_sample(pair, record).video, path)


def _html(name: str, study: Study) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    here = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(here), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html").render(
        kind=study.kind.name,
        text=study.asked["text"],
        choices=study.choices,
        data=_data(name, study),
        style=Markup((here / "page.css").read_text(encoding="utf-8")),
        script=Markup((here / "page.js").read_text(encoding="utf-8")),
    )


def _data(name: str, study: Study) -> dict[str, Any]:
    """What the page's script reads."""
    wordings = QUESTIONS[study.kind]
    return {
        "schema": SCHEMA,
        "study": study.id,
        "name": name,
        "questions": [{"name": question, "text": wordings.get(question, question)} for question in study.questions],
        "choices": [{"value": value, "label": LABELS.get(str(value), str(value))} for value in study.choices],
        "hint": HINTS[study.kind].format(study.choices[-1]),
        "cases": {video: study.videos[video].case for video in sorted(study.videos)},
        "raters": [
            [{"videos": screen.videos} | ({"told": screen.told} if screen.told else {}) for screen in screens]
            for screens in study.raters
        ],
    }
