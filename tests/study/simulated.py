"""Raters with known opinions, who see of a study what its page says."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from charachbench.study import design
from charachbench.study.design import Study


def data_of(page: Path) -> dict[str, Any]:
    """What the page's script reads."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text("utf-8"), re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def respond(
    data: dict[str, Any],
    study: Study,
    rater: int,
    quality: dict[str, float],
    noise: float = 1.0,
    inattentive: bool = False,
) -> dict[str, Any]:
    """A rater's file.

    Args:
        data: of the page.
        study: tells whose videos these are.
        rater: their number.
        quality: by the method's name, what all raters would say without noise: a rating, or a strength.
        noise: standard deviation of ratings; of comparisons, 0 means that the better one always wins.
        inattentive: answer what checks ask as everything else.
    """
    rng = np.random.default_rng(rater)
    values = [choice["value"] for choice in data["choices"]]
    answers = []
    for place, screen in enumerate(data["raters"][rater - 1]):
        strengths = [quality[study.methods[study.videos[video].run]] for video in screen["videos"]]
        for question in data["questions"]:
            value: int | str
            if len(strengths) == 1:
                value = int(np.clip(round(strengths[0] + noise * rng.standard_normal()), values[0], values[-1]))
            else:
                gap = strengths[0] - strengths[1] + noise * rng.logistic()
                value = "left" if gap > 0 else "right"
            if "told" in screen and not inattentive:
                value = screen["told"][question["name"]]
            answers.append(
                {
                    "screen": place,
                    "videos": screen["videos"],
                    "question": question["name"],
                    "value": value,
                    "seconds": 2.5,
                }
            )
    about = {"schema": data["schema"], "study": data["study"], "name": data["name"], "rater": rater}
    return {**about, "started": "2026-01-01T10:00:00.000Z", "finished": "2026-01-01T10:20:00.000Z", "answers": answers}


def answer_all(folder: Path, quality: dict[str, float], inattentive: tuple[int, ...] = (), noise: float = 1.0) -> None:
    """Put the files of all raters of the study in a folder where they belong."""
    study = design.read(folder)
    assert study is not None
    data = data_of(folder / "page" / "index.html")
    for rater in range(1, len(data["raters"]) + 1):
        response = respond(data, study, rater, quality, noise, rater in inattentive)
        path = folder / "responses" / f"{data['name']}-rater-{rater:02}.json"
        path.write_text(json.dumps(response), encoding="utf-8")
