"""What the viewer plays: linked from the store, brought up to date, and nothing else."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from charachbench.report import media
from charachbench.store import Store
from tests.report.results import NAMES, ROWS, fill


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Any]:
    _, store, benchmark = fill(tmp_path_factory.mktemp("results"))
    return store, benchmark


def gathered(filled: tuple[Store, Any], root: Path) -> dict[str, Any]:
    store, benchmark = filled
    runs = {run.info.method_name: run for run in store.runs(benchmark)}
    return media.gather(root, benchmark, runs)


def test_every_pair_of_every_method_is_told_with_what_there_is(filled: tuple[Store, Any], tmp_path: Path) -> None:
    found = gathered(filled, tmp_path)
    assert json.loads(json.dumps(found)) == found
    assert {character["name"] for character in found["characters"]} == {NAMES["c0"], NAMES["c1"], NAMES["c2"]}
    assert [driver["frames"] for driver in found["drivers"]] == [4, 4]
    assert [name for name, _ in found["methods"]] == [f"{row} <i>" for row in ROWS]
    assert found["clips"][:2] == [["vl"] * 6, ["v"] * 6]
    assert found["clips"][2].count("v") == 5
    (reason,) = (clip for clip in found["clips"][2] if clip != "v")
    assert found["reasons"][reason] == "RuntimeError: <b>out of luck</b>"
    for folder, clips in zip((folder for _, folder in found["methods"]), found["clips"], strict=True):
        for (*_, stem), there in zip(found["pairs"], clips, strict=True):
            if isinstance(there, str):
                assert (tmp_path / "media" / folder / f"{stem}.mp4").is_file()
                assert (tmp_path / "media" / folder / f"{stem}.js").is_file() == ("l" in there)


def test_videos_are_links_and_no_file_leaves_the_folder(filled: tuple[Store, Any], tmp_path: Path) -> None:
    store, benchmark = filled
    root = store.root / "report"  # on the same disk
    gathered(filled, root)
    previews = [entry.preview_path for run in store.runs(benchmark) for entry, _ in run.finished(benchmark).values()]
    linked = {path.stat().st_ino for path in (root / "media").rglob("*.mp4")}
    assert all(preview.stat().st_ino in linked for preview in previews)
    assert all(path.name == path.name.encode("ascii", "ignore").decode() for path in root.rglob("*"))


def test_what_is_shown_no_more_goes_and_what_was_made_again_is_linked_again(
    filled: tuple[Store, Any], tmp_path: Path
) -> None:
    store, benchmark = filled
    gathered(filled, tmp_path)
    stray = tmp_path / "media" / "old-12345678" / "pair.mp4"
    stray.parent.mkdir()
    stray.write_bytes(b"old")
    run = store.runs(benchmark)[0]
    entry, _ = next(iter(run.finished(benchmark).values()))
    before = entry.preview_path.read_bytes()
    again = entry.preview_path.with_name("again.mp4")
    for content in (before + b"\0", before):
        again.write_bytes(content)
        again.replace(entry.preview_path)  # as the store does
        gathered(filled, tmp_path)
        assert content in [path.read_bytes() for path in (tmp_path / "media" / run.folder.name).glob("*.mp4")]
    assert not stray.parent.exists()


def test_where_links_are_refused_files_are_copied(
    filled: tuple[Store, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError("no links here")))
    found = gathered(filled, tmp_path)
    assert len(list((tmp_path / "media").rglob("*.mp4"))) == 6 + 6 + 5 + len(found["drivers"])


@given(arrays.arrays(np.float64, (3, 68, 2), elements=st.floats(-200, 700)))
def test_landmarks_come_back_within_a_hundredth_of_a_pixel(points: np.ndarray) -> None:
    numbers = np.frombuffer(base64.b64decode(media._encoded(points, (400, 512))), "<u2").reshape(points.shape)
    shares = numbers / 32767.5 - 0.5  # as the page decodes them
    inside = (points > -190) & (points < 590)
    error = np.abs(shares * (512, 400) - 0.5 - points)
    assert error[inside].max(initial=0) < 0.01


def test_scripts_cannot_be_left() -> None:
    text = media.script("pairs", [{"name": "</script><!--\u2028"}])
    assert "<" not in text
    assert json.loads(text.removeprefix("report.pairs(...").removesuffix(");\n")) == [{"name": "</script><!--\u2028"}]
