"""What changed between two folders of results, and what may have changed by chance."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from charachbench.commands import compare as command
from charachbench.commands import leaderboard, open_benchmark
from charachbench.config import CompareConfig, Config
from charachbench.errors import UserError
from charachbench.evaluate import NamedMetric, build_metrics, evaluate
from charachbench.generate import generate
from charachbench.leaderboard import changes_report
from charachbench.leaderboard.changes import Changes, FigureChange, compare, folders, read
from charachbench.leaderboard.crossed import Crossed
from charachbench.leaderboard.facts import MetricFacts
from charachbench.store import Store, write_json
from tests.fakes import Brightness, Difference, settings

FACTS = {
    name: MetricFacts.of(NamedMetric(name, kind(), {})) for name, kind in (("up", Brightness), ("down", Difference))
}
CHARACTERS, DRIVERS = 12, 2
PAIRS = [f"c{character}__d{driver}" for character in range(CHARACTERS) for driver in range(DRIVERS)]
LEVELS = np.random.default_rng(0).normal(scale=5, size=len(PAIRS))


def results(folder: Path, values: Mapping[str, Mapping[str, Any]], facts: Mapping[str, MetricFacts] = FACTS) -> Path:
    """A folder as the leaderboard leaves it, from method -> metric -> values by pair (a text: the status)."""
    rows = []
    for method, by_metric in values.items():
        for metric, found in by_metric.items():
            for pair, value in zip(PAIRS, found, strict=False):
                character, driver = pair.split("__")
                scored = not isinstance(value, str)
                rows.append(
                    {
                        "benchmark": "b", "method": method, "run": f"{method}-key", "character": character,
                        "driver": driver, "pair": pair, "metric": metric, "signature": facts[metric].signature,
                        "status": "scored" if scored else value, "contribution": value if scored else None,
                        "reason": "" if scored else "out of luck",
                    }
                )  # fmt: skip
    folder.mkdir()
    pd.DataFrame(rows).to_parquet(folder / "scores.parquet")
    write_json(folder / "metrics.json", {each.signature: each.model_dump() for each in facts.values()})
    write_json(folder / "benchmark.json", {"name": "b", "options": {}})
    return folder


def changes(tmp_path: Path, before: Any, after: Any, **options: Any) -> Changes:
    return compare(read(results(tmp_path / "before", before)), read(results(tmp_path / "after", after, **options)))


def by_name(found: Changes) -> dict[tuple[str, str], FigureChange]:
    return {(each.method, each.metric): each for each in found.figures}


def test_what_is_the_same_is_no_change(tmp_path: Path) -> None:
    values = {"a": {"up": LEVELS, "down": LEVELS}}
    found = changes(tmp_path, values, {"a": {"up": LEVELS + 1e-12, "down": LEVELS}})
    assert [each.same for each in found.figures] == [True, True]
    assert [each.verdict for each in found.figures] == ["", ""]
    assert "* As before: 2 figures." in changes_report.markdown(found)


def test_differences_are_paired_and_corrected_by_holm_for_all_that_changed(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(scale=0.3, size=(3, len(PAIRS)))
    before = {"a": {"up": LEVELS, "down": LEVELS}, "b": {"up": LEVELS, "down": LEVELS}}
    after = {
        "a": {"up": LEVELS + 1 + noise[0], "down": LEVELS + 1 + noise[1]},
        "b": {"up": LEVELS + noise[2], "down": LEVELS},
    }
    found = by_name(changes(tmp_path, before, after))
    assert {name: each.verdict for name, each in found.items()} == {
        ("a", "up"): "better", ("a", "down"): "worse", ("b", "up"): "", ("b", "down"): "",
    }  # fmt: skip
    characters, drivers = zip(*(pair.split("__") for pair in PAIRS), strict=True)
    raw = []
    for name, moved in ((("a", "up"), 1 + noise[0]), (("a", "down"), 1 + noise[1]), (("b", "up"), noise[2])):
        own = Crossed(moved[:, None], np.array(characters), np.array(drivers))
        assert found[name].difference == pytest.approx(moved.mean())
        assert found[name].interval == pytest.approx(tuple(own.intervals()[0]))
        raw.append(own.sign_test()[0])
    corrected = multipletests(raw, method="holm")[1]
    assert [found[name].p for name in (("a", "up"), ("a", "down"), ("b", "up"))] == pytest.approx(corrected.tolist())
    most = int(np.abs(1 + noise[0]).argmax())
    assert (found["a", "up"].pair, found["a", "up"].pair_after) == (PAIRS[most], (LEVELS + 1 + noise[0])[most])


def test_only_pairs_on_both_sides_are_compared(tmp_path: Path) -> None:
    after = [*(LEVELS[:10] + 1).tolist(), "failed", *(LEVELS[11:20] + 1).tolist()]
    found = changes(tmp_path, {"a": {"up": LEVELS}}, {"a": {"up": after}})
    assert found.figures[0].pairs == 19
    assert found.figures[0].difference == pytest.approx(1)
    assert found.notes == ("4 pairs are there before alone, and left out",)


def test_too_few_characters_and_drivers_tell_nothing(tmp_path: Path) -> None:
    found = changes(tmp_path, {"a": {"up": LEVELS[:6]}}, {"a": {"up": LEVELS[:6] + 100}})
    assert (found.figures[0].interval, found.figures[0].p, found.figures[0].verdict) == (None, 1.0, "")


def test_measured_noise_is_no_difference(tmp_path: Path) -> None:
    before, after = (results(tmp_path / f"{by}", {"a": {"up": LEVELS + by}}) for by in (0, 0.5))
    assert compare(read(before), read(after)).figures[0].verdict == "better"
    write_json(after / "noise.json", {FACTS["up"].signature: {"spread": 0.6}})
    found = compare(read(before), read(after))
    assert found.figures[0].verdict == ""
    assert "within the measured noise" in changes_report.markdown(found)


def test_protocols_that_differ_are_told_and_not_compared(tmp_path: Path) -> None:
    other = FACTS["up"].model_copy(update={"signature": "up#other", "protocol": {"reference": "driver"}, "version": 2})
    found = changes(tmp_path, {"a": {"up": LEVELS}}, {"a": {"up": LEVELS + 1}}, facts={"up": other})
    assert found.figures == ()
    assert found.incomparable == {"up": "version: 1 → 2; protocol.reference: absent → driver"}
    assert "| up | version: 1 → 2; protocol.reference: absent → driver |" in changes_report.markdown(found)


def test_pairs_that_fail_or_are_not_scored_any_more_are_told_once(tmp_path: Path) -> None:
    before = {"a": {"up": [*LEVELS[:3], "failed"], "down": [*LEVELS[:3], "failed"]}}
    after = {"a": {"up": ["failed", *LEVELS[1:4]], "down": ["failed", LEVELS[1], "unscored", LEVELS[3]]}}
    found = changes(tmp_path, before, after)
    assert [(each.pair, each.metrics, each.before, each.after, each.reason) for each in found.outcomes] == [
        ("c0__d0", (), "made", "failed", "out of luck"),
        ("c1__d1", (), "failed", "made", "out of luck"),
        ("c1__d0", ("down",), "scored", "unscored", "out of luck"),
    ]  # fmt: skip
    assert "| a | c1__d0 | down | scored → unscored | out of luck |" in changes_report.markdown(found)


def test_runs_are_matched_by_key_then_by_name(tmp_path: Path) -> None:
    values = {"up": LEVELS}
    before, after = (
        read(results(tmp_path / name, dict.fromkeys(methods, values)))
        for name, methods in (("before", ["a", "b", "gone", "c (x=1)"]), ("after", ["a", "b2", "new", "c (x=2)"]))
    )
    after.scores["run"] = after.scores["run"].replace({"b2-key": "b-key"})
    found = {run.method: run for run in compare(before, after).runs}
    unknown = "its settings are not known: its folder is not there"
    assert {name: (run.state, run.differences) for name, run in found.items()} == {
        "a": ("changed", (unknown,)),
        "b2": ("changed", ("was called b", unknown)),
        "new": ("new", ()),
        "gone": ("gone", ()),
        "c (x=2)": ("changed", ("was called c (x=1)", unknown)),
    }


def stored(root: Path, **options: Any) -> Config:
    """A store with its tables, of methods with these settings."""
    metrics = {"difference": {"_target_": "tests.fakes.Difference"}, "spread": {"_target_": "tests.fakes.Spread"}}
    config = settings(root, metrics=metrics, benchmark_characters=6, **options)
    store = Store(root)
    benchmark = open_benchmark(config, store)
    evaluate(config, benchmark, generate(config, benchmark, store).run, build_metrics(config))
    leaderboard.execute(config)
    return config


def test_two_stores_are_compared_without_the_benchmark(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored(tmp_path / "before")
    config = stored(tmp_path / "after", method_step=4, method_fail_on=["c1__d0"])
    for path in (tmp_path / "before").rglob("record.json"):
        record = json.loads(path.read_text())
        record["packages"]["numpy"] = "1.0"
        path.write_text(json.dumps(record))
    for cache in tmp_path.rglob("references"):
        shutil.rmtree(cache)
    chosen = CompareConfig(str(tmp_path / "before"), str(tmp_path / "after"))
    capsys.readouterr()
    assert command.execute(replace(config, benchmark=None, compare=chosen)) == []
    printed = capsys.readouterr().out
    assert "method.step: absent → 4" in printed
    assert f"packages.numpy: 1.0 → {np.__version__}" in printed
    assert "RuntimeError: out of luck" in printed
    (folder,) = (tmp_path / "after").glob("tiny-*")
    tidy = pd.read_csv(folder / "comparison.csv").set_index("metric")
    assert list(tidy.index) == ["difference", "spread"]
    assert tidy["pairs"].tolist() == [11, 11]
    assert tidy["approximate"].tolist() == [False, True]
    assert "§ over fewer pairs than a side has, so approximate" in (folder / "comparison.md").read_text()
    again = folders(folder, tmp_path / "before")
    assert again == ([(folder, next((tmp_path / "before").glob("tiny-*")))], [])


def test_getting_worse_fails_where_that_is_asked_for(tmp_path: Path) -> None:
    before, after = (results(tmp_path / f"{by}", {"a": {"down": LEVELS + by}}) for by in (0, 2))
    chosen = CompareConfig(str(before), str(after), str(tmp_path / "out"))
    assert command.execute(Config(compare=chosen)) == []
    (told,) = command.execute(Config(compare=replace(chosen, fail_on_worse=True)))
    assert told.startswith("a, down: got worse, ")
    better = CompareConfig(str(after), str(before), str(tmp_path / "out"), fail_on_worse=True)
    assert command.execute(Config(compare=better)) == []
    assert (tmp_path / "out" / "comparison.md").is_file()


def test_what_cannot_be_compared_is_told(tmp_path: Path) -> None:
    good, other = (results(tmp_path / name, {"a": {"up": LEVELS}}) for name in ("good", "other"))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UserError, match="compare.before: no such folder"):
        folders(tmp_path / "nowhere", good)
    with pytest.raises(UserError, match="compare.after=.*empty: holds no scores.parquet"):
        folders(good, empty)
    write_json(other / "benchmark.json", {"name": "b", "options": {"size": 2}})
    with pytest.raises(UserError, match="are of different benchmarks: options.size: absent → 2"):
        compare(read(good), read(other))
    (other / "metrics.json").write_text("{}")
    with pytest.raises(UserError, match="metrics.json is of other metrics; `charachbench leaderboard` writes it again"):
        read(other)
    (other / "scores.parquet").write_bytes(b"x")
    with pytest.raises(UserError, match="scores.parquet: cannot be read as a table"):
        read(other)
    (good / "metrics.json").unlink()
    with pytest.raises(UserError, match="metrics.json: no such file"):
        read(good)
