"""W&B: what an offline run recorded, read back."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from charachbench.commands import open_benchmark
from charachbench.config import Config
from charachbench.evaluate import build_metrics, evaluate
from charachbench.generate import generate
from charachbench.store import Store, read_json
from charachbench.tracking import Wandb
from tests.fakes import settings

METRICS = {"brightness": {"_target_": "tests.fakes.Brightness"}, "picky": {"_target_": "tests.fakes.Picky"}}


def records(path: Path) -> Iterator[Any]:
    """The records of a ``.wandb`` file: a LevelDB log (32 KiB blocks, 7-byte record headers) of protocol buffers."""
    from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]

    data, position, parts = path.read_bytes(), 7, b""
    while position + 7 <= len(data):
        left = 32768 - position % 32768
        if left < 7:
            position += left
            continue
        _, length, kind = struct.unpack("<IHB", data[position : position + 7])
        parts += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = Record()
            record.ParseFromString(parts)
            yield record
            parts = b""


def sent(results: Path) -> dict[str, dict[str, Any]]:
    """By W&B run id, what was sent."""
    found = {}
    for path in sorted(results.glob("wandb/offline-run-*/*.wandb")):
        about: dict[str, Any] = {"folder": path.parent, "summary": {}}
        for record in records(path):
            kind = record.WhichOneof("record_type")
            if kind == "run":
                about |= {"id": record.run.run_id, "group": record.run.run_group, "name": record.run.display_name}
                about["config"] = {item.key: item.value_json for item in record.run.config.update}
            elif kind == "summary":
                about["summary"] |= {i.key or ".".join(i.nested_key): i.value_json for i in record.summary.update}
            elif kind == "exit":
                about["exit"] = record.exit.exit_code
        found[about["id"]] = about
    return found


def track(config: Config, tracker: Wandb) -> None:
    store = Store(Path(config.results))
    benchmark, metrics = open_benchmark(config, store), build_metrics(config)
    outcome = generate(config, benchmark, store)
    evaluate(config, benchmark, outcome.run, metrics)
    tracker.send_run(store, benchmark, outcome.run, metrics)
    tracker.send_leaderboard(store, benchmark, metrics)


def test_an_offline_run_holds_scores_tables_and_previews_once(tmp_path: Path) -> None:
    config = settings(tmp_path, metrics=METRICS, method_fail_on=["c2__d1"])
    tracker = Wandb(group="sweep 7", previews=2)
    track(config, tracker)
    found = sent(tmp_path)
    run, board = sorted(found.values(), key=lambda about: about["name"] == "leaderboard tiny")
    assert (run["name"], run["group"], run["exit"]) == ("roll", "sweep 7", 0)
    assert '"step": ' not in run["config"]["method"]
    assert "tests.fakes.Roll" in run["config"]["method"]
    assert float(run["summary"]["picky"]) == pytest.approx((0 + 1 + 2 + 0 + 1) / 5)
    assert (run["summary"]["pairs_made"], run["summary"]["pairs_failed"]) == ("5", "1")
    (table,) = run["folder"].glob("files/media/table/pairs*.json")
    content = read_json(table)
    assert len(content["data"]) == 12
    status = content["columns"].index("status")
    assert [row[status] for row in content["data"]].count("failed") == 2
    assert len(list(run["folder"].glob("files/media/videos/preview/*.mp4"))) == 2
    (table,) = board["folder"].glob("files/media/table/leaderboard*.json")
    assert read_json(table)["data"][0][:2] == ["roll", "5/6"]

    track(config, tracker)
    assert len(list(tmp_path.glob("wandb/offline-run-*"))) == 2  # nothing new, nothing sent


def test_random_weights_are_named_wherever_a_run_is_sent(tmp_path: Path) -> None:
    track(settings(tmp_path, method_weights="random"), Wandb())
    run, board = sorted(sent(tmp_path).values(), key=lambda about: about["name"] == "leaderboard tiny")
    assert run["name"] == "roll (random weights)"
    assert run["config"]["random"] == "true"
    (table,) = run["folder"].glob("files/media/table/pairs*.json")
    content = read_json(table)
    pairs = [dict(zip(content["columns"], row, strict=True)) for row in content["data"]]
    assert {(pair["method"], pair["random"]) for pair in pairs} == {("roll (random weights)", True)}
    (table,) = board["folder"].glob("files/media/table/leaderboard*.json")
    assert [row[0] for row in read_json(table)["data"]] == ["roll (random weights)"]


def test_a_failing_replay_leaves_no_run_open_and_is_sent_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    config = settings(tmp_path, metrics=METRICS)
    monkeypatch.setattr("charachbench.tracking._summary", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        track(config, Wandb())
    assert wandb.run is None
    (about,) = sent(tmp_path).values()
    assert about["exit"] == 1
    monkeypatch.undo()
    track(config, Wandb())
    assert [about["exit"] for about in sent(tmp_path).values()] == [0, 0]
