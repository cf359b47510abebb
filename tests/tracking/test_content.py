"""What W&B runs show, before anything of W&B."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charachbench.benchmark.types import Benchmark
from charachbench.commands import open_benchmark
from charachbench.errors import UserError
from charachbench.evaluate import build_metrics, evaluate
from charachbench.generate import generate
from charachbench.leaderboard.aggregate import aggregate
from charachbench.leaderboard.collect import collect
from charachbench.store import Store
from charachbench.tracking import content
from charachbench.tracking.content import Content
from tests import fakes


def of_run(tmp_path: Path, change: Any = lambda benchmark: benchmark, previews: int = 100, **options: Any) -> Content:
    config = fakes.settings(tmp_path / "results", **options)
    store = Store(Path(config.results))
    benchmark: Benchmark = change(open_benchmark(config, store))
    metrics = build_metrics(config)
    run = generate(config, benchmark, store).run
    evaluate(config, benchmark, run, metrics)
    scores = collect(store, benchmark, metrics, only=run.info.key)
    board = aggregate(scores, metrics, slices=False)
    return content.of_run(store, benchmark, run, metrics, scores, board, previews=previews, scratch=tmp_path)


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.floats(allow_infinity=False), st.booleans(), st.integers(-9, 9), st.none() | st.text())),
)
def test_cells_are_plain_and_what_is_missing_is_none(cells: list[tuple[Any, ...]]) -> None:
    rows = content.rows(pd.DataFrame(cells, columns=["float", "bool", "int", "text"]))
    expected = [[None if isinstance(cell, float) and math.isnan(cell) else cell for cell in row] for row in cells]
    assert rows == expected
    assert [[type(cell) for cell in row] for row in rows] == [[type(cell) for cell in row] for row in expected]
    assert json.loads(json.dumps(rows, allow_nan=False)) == expected


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Content:
    return of_run(tmp_path_factory.mktemp("shown"))


def test_equal_content_has_one_fingerprint_wherever_it_lies(tmp_path: Path) -> None:
    shown = of_run(tmp_path)
    fingerprint = shown.fingerprint
    assert of_run(tmp_path).fingerprint == fingerprint
    (tmp_path / "moved").mkdir()
    moved = shown.files[0].rename(tmp_path / "moved" / "scores.parquet")
    assert replace(shown, files=[moved]).fingerprint == fingerprint


def test_whatever_changes_changes_the_fingerprint(shown: Content, tmp_path: Path) -> None:
    (tmp_path / "plot.png").write_bytes(b"plot")
    changed = [
        replace(shown, name="other"),
        replace(shown, tags=[]),
        replace(shown, config={**shown.config, "seed": 1}),
        replace(shown, figures={name: value + 1e-12 for name, value in shown.figures.items()}),
        replace(shown, tables={"pairs": shown.tables["pairs"].assign(brightness=None)}),
        replace(shown, plots={"plot": tmp_path / "plot.png"}),
    ]
    found = {each.fingerprint for each in [shown, *changed]}
    preview = shown.tables["pairs"]["preview"].iloc[0]
    before = preview.read_bytes()
    preview.write_bytes(b"another video")
    assert len(found | {shown.fingerprint}) == len(changed) + 2
    preview.write_bytes(before)
    assert shown.fingerprint in found


def test_names_are_such_as_wandb_can_sort_and_optimise(shown: Content) -> None:
    names = [*shown.figures, *shown.summary, *shown.tables]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[A-Za-z_]\w*", name) for name in names)


def test_long_names_make_tags_that_wandb_takes(tmp_path: Path) -> None:
    shown = of_run(tmp_path, lambda benchmark: replace(benchmark, name="n" * 100))
    assert {len(tag) for tag in shown.tags if tag.startswith("benchmark:")} == {64}


@pytest.mark.parametrize(("previews", "shown"), [(0, 0), (2, 2), (100, 6)])
def test_so_many_pairs_are_shown(tmp_path: Path, previews: int, shown: int) -> None:
    table = of_run(tmp_path, previews=previews).tables["pairs"]
    assert len(table) == 6
    assert ("preview" in table) == bool(shown)
    assert not shown or table["preview"].notna().sum() == shown


def test_a_character_that_cannot_be_read_is_not_shown(tmp_path: Path) -> None:
    def broken(benchmark: Benchmark) -> Benchmark:
        def fail() -> Any:
            raise UserError("broken.png: cannot be read")

        character = replace(benchmark.pairs[0].character, load_image=fail, fingerprint="broken")
        return replace(benchmark, pairs=(replace(benchmark.pairs[0], character=character), *benchmark.pairs[1:]))

    table = of_run(tmp_path, broken).tables["pairs"]
    assert table["character_image"].isna().tolist() == [True] + [False] * 5
    assert table["reason"].iloc[0] == "broken.png: cannot be read"


def test_what_differs_between_pairs_is_told_of_each() -> None:
    assert content._agreed([{"torch": "2.6"}, {"torch": "2.6"}]) == {"torch": "2.6"}
    assert content._agreed(["cpu", "cuda", "cpu"]) == ["cpu", "cuda"]
    assert content._agreed([]) == []


def test_secrets_of_a_method_are_not_shown() -> None:
    variables = {"HF_TOKEN": "abc", "api_key": "abc", "TOKENIZERS_PARALLELISM": "false", "KEY": "kept"}
    method = {"recipe": {"variables": variables, "tokens": 3, "key": "kept"}, "urls": ["https://me:abc@host/x", "a@b"]}
    assert content._public(method) == {
        "recipe": {
            "variables": {**variables, "HF_TOKEN": "hidden", "api_key": "hidden"}, "tokens": 3, "key": "kept",
        },
        "urls": ["https://hidden@host/x", "a@b"],
    }  # fmt: skip
