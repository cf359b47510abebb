"""What a study shows, that its page does not tell whose it is, and that no answer is ever lost."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charachbench import keys
from charachbench.benchmark.types import Benchmark, Character, Driver, Pair
from charachbench.commands import open_benchmark, study
from charachbench.config import Config, StudyConfig, StudyKind, Track
from charachbench.errors import UserError
from charachbench.generate import generate
from charachbench.store import Store
from charachbench.study import design
from charachbench.study.design import Study
from charachbench.video import read
from tests.fakes import Tiny, settings
from tests.study.conftest import QUALITY
from tests.study.simulated import data_of


def asked(config: Config, **options: Any) -> Config:
    return replace(config, study=StudyConfig(**({"cases": 5, "raters": 6} | options)))


def folder(config: Config) -> Path:
    store = Store(Path(config.results))
    return store.benchmark_folder(open_benchmark(config, store)) / "study" / config.study.name


def made(config: Config) -> Study:
    assert study.execute(config) == []
    found = design.read(folder(config))
    assert found is not None
    return found


@pytest.mark.parametrize("kind", StudyKind)
def test_ranked_methods_with_enough_pairs_are_shown(
    config: Config, kind: StudyKind, caplog: pytest.LogCaptureFixture
) -> None:
    found = made(asked(config, kind=kind))
    assert sorted(found.methods.values()) == sorted(QUALITY)
    assert "lazy_method: is not shown, as it has made 3 pairs only" in caplog.text
    assert len(found.cases) == 5
    assert len(found.videos) == 15
    assert len(found.raters) == 6
    screens = (15 if kind is StudyKind.rating else 5) + 2
    for rater in found.raters:
        assert len(rater) == screens
        checks = [screen.told for screen in rater if screen.told]
        assert len(checks) == 2
        assert all(len(set(told.values())) == 3 for told in checks)
        assert not rater[0].told
        assert all(set(told.values()) <= set(found.choices) for told in checks)


def test_rows_can_be_chosen_controls_among_them(config: Config) -> None:
    found = made(asked(config, methods=["frozen_control", "first_method"]))
    assert list(found.methods.values()) == ["frozen_control", "first_method"]
    found = made(asked(config, name="few", methods=["lazy_method"], cases=3))
    assert {case.pair for case in found.cases.values()} == {"c0__d0", "c1__d0", "c2__d0"}


def test_the_same_settings_make_the_same_page(config: Config) -> None:
    config = asked(config)
    first = made(config)
    before = {path: path.read_bytes() for path in folder(config).rglob("*") if path.is_file()}
    lost = next(path for path in before if path.suffix == ".mp4")
    lost.unlink()
    (lost.parent / "left-over.mp4").touch()
    assert made(config) == first
    assert {path: path.read_bytes() for path in folder(config).rglob("*") if path.is_file()} == before


def test_cases_and_orders_follow_from_the_seed_ids_do_not(config: Config) -> None:
    one, same, other = (made(asked(config, name=f"n{i}", seed=seed)) for i, seed in enumerate((3, 3, 4)))

    def seen(found: Study) -> list[Any]:
        def about(video: str) -> tuple[str, str]:
            return found.cases[found.videos[video].case].pair, found.videos[video].run

        return [[(*map(about, screen.videos), screen.told) for screen in rater] for rater in found.raters]

    assert seen(one) == seen(same) != seen(other)
    assert one.id != same.id
    assert not one.videos.keys() & same.videos.keys()


def test_a_study_that_was_answered_is_not_replaced(config: Config, caplog: pytest.LogCaptureFixture) -> None:
    before = made(asked(config))
    at = folder(asked(config))
    after = made(asked(config, scale=5, text="Thanks."))  # nobody has answered yet
    assert "is made anew with other scale, text; pages that were given out before are void" in caplog.text
    (at / f"key-{before.id}.json").rename(at / "key.json")
    assert design.read(at) == before
    (at / "responses" / "some.json").touch()
    kept = (at / "key.json").read_bytes()
    with pytest.raises(
        UserError, match="was answered already, and was made with other raters; choose another study.name"
    ):
        study.execute(asked(config, raters=7))
    assert (at / "key.json").read_bytes() == kept
    assert after.id != before.id
    made(asked(config))  # the same as before


def test_a_driver_that_was_changed_makes_another_study(config: Config) -> None:
    config = asked(config, cases=4, methods=list(QUALITY))
    made(config)
    (folder(config) / "responses" / "some.json").touch()
    with pytest.raises(UserError, match="was made with other cases, methods"):
        study.execute(replace(config, benchmark={**config.benchmark, "salt": "other"}))


def test_a_damaged_video_is_not_shown(config: Config) -> None:
    for path in Path(config.results).rglob("first_method-*/*/video.mkv"):
        path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(UserError, match="was damaged or changed since it was generated"):
        study.execute(asked(config))


def test_a_damaged_key_is_told(config: Config) -> None:
    made(asked(config))
    for content in (b"", b"\xff", b"[]", b"{}", b'{"schema": 1}'):
        (folder(asked(config)) / "key.json").write_bytes(content)
        with pytest.raises(UserError, match="is no key of a study"):
            study.execute(asked(config))


def test_a_key_that_was_changed_is_told(config: Config) -> None:
    made(asked(config))
    path = folder(asked(config)) / "key.json"
    path.write_text(path.read_text().replace("first_method", "third_method"))
    with pytest.raises(UserError, match="was changed; put back the one"):
        study.execute(asked(config))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "../up"}, "study.name='../up': accepted are"),
        ({"name": ""}, "study.name='': accepted are"),
        ({"cases": 0}, "study.cases=0: accepted are whole numbers from 1"),
        ({"raters": 0}, "study.raters=0: "),
        ({"checks": -1}, "study.checks=-1: accepted are whole numbers from 0"),
        ({"scale": 11}, "study.scale=11: accepted are 2 to 10"),
        ({"checks_passed": 1.5}, "study.checks_passed=1.5: accepted is a share"),
        ({"questions": []}, "study.questions=.*: accepted is at least one"),
        ({"questions": ["a", "a"]}, "none twice"),
        ({"questions": [" "]}, "study.questions: ' ': accepted are 1 to 200 letters"),
        ({"methods": ["first_metod"]}, "'first_metod' is no row of tiny; did you mean 'first_method'"),
        ({"methods": ["lazy_method", "first_method"]}, "study.cases=5: all methods together have 3 pairs"),
        (
            {"cases": 9},
            "study.kind=rating: needs 1 or more methods that are ranked and have made study.cases=9 pairs",
        ),
        ({"kind": StudyKind.pairwise, "methods": ["first_method"]}, "study.kind=pairwise: needs 2 or more methods"),
        ({"kind": StudyKind.pairwise, "comparisons": 4}, "study.comparisons=4: of 3 methods accepted are 1 to 3"),
    ],
)
def test_wrong_settings_are_told(config: Config, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        study.execute(asked(config, **options))
    assert not list(Path(config.results).glob("*/study/*/key.json"))


def test_other_tracks_have_nothing_to_show(config: Config) -> None:
    with pytest.raises(UserError, match="track=landmarks: has no videos to judge"):
        study.execute(replace(asked(config), track=Track.landmarks))


@pytest.mark.parametrize("kind", StudyKind)
def test_nothing_in_the_page_tells_whose_videos_it_shows(config: Config, kind: StudyKind) -> None:
    config = asked(config, kind=kind)
    found = made(config)
    shown = {video.sha256 for video in found.videos.values()}
    named = [path.name for path in Path(config.results).glob("*/*") if path.is_dir()]
    pairs = [path.name for path in Path(config.results).glob("*/*_method-*/*") if path.is_dir()]
    secrets = {*found.methods, *found.methods.values(), *shown, *named, *pairs} - {"study"}
    secrets |= {key[:8] for key in found.methods} | {case.pair for case in found.cases.values()}
    files = [path for path in (folder(config) / "page").rglob("*") if path.is_file()]
    assert len(files) == 1 + 2 * 5 + 15
    for path in files:
        content = path.read_bytes()
        assert not [secret for secret in secrets if secret.encode() in content], path
        assert path.name == "index.html" or re.fullmatch(r"[0-9a-f]{16}\.(mp4|png)", path.name)
    data = data_of(folder(config) / "page" / "index.html")
    assert list(data["cases"]) == sorted(data["cases"])
    assert data["study"] == found.id


def test_equal_frames_of_different_methods_make_equal_files(config: Config) -> None:
    store = Store(Path(config.results))
    twin = replace(config, method={**config.method, "step": 1, "fail_on": ["none"]}, method_name="fourth_method")
    generate(twin, open_benchmark(config, store), store)
    found = made(asked(config, methods=["first_method", "fourth_method"]))
    files: dict[str, set[bytes]] = {}
    for name, video in found.videos.items():
        files.setdefault(video.case, set()).add((folder(asked(config)) / "page/media" / f"{name}.mp4").read_bytes())
    assert {len(contents) for contents in files.values()} == {1}


def test_the_page_shows_what_the_key_says(config: Config) -> None:
    config = asked(config)
    found, media = made(config), folder(config) / "page" / "media"
    store = Store(Path(config.results))
    benchmark = open_benchmark(config, store)
    finished = {run.info.key: run.finished(benchmark) for run in store.runs(benchmark)}
    for name, video in found.videos.items():
        shown = read(media / f"{name}.mp4").frames.astype(float)
        made_by = {run: finished[run][found.cases[video.case].pair][0].video_path for run in found.methods}
        assert min(made_by, key=lambda run: np.abs(read(made_by[run]).frames - shown).mean()) == video.run


class Hostile(Tiny):
    """Names that folders may have."""

    NAMES = ("<script>alert(1)</script>", "a\"b'c & d", "../../etc", "猫 </script>", "=1+1|x")

    def open(self, detector: object, cache: Path) -> Benchmark:
        opened = super().open(detector, cache)
        pairs = tuple(Pair(self._named(pair.character), self._driven(pair.driver)) for pair in opened.pairs)
        return Benchmark("<b>tiny</b>", opened.options, pairs)

    def _named(self, character: Character) -> Character:
        return replace(character, name=self.NAMES[int(character.name[1:])], domain="<i>")

    def _driven(self, driver: Driver) -> Driver:
        return replace(driver, name=f"<img src=x>{driver.name}", fingerprint=keys.digest(driver.name))


def test_hostile_names_do_no_harm(tmp_path: Path) -> None:
    config = settings(
        tmp_path / "results", "Roll", benchmark_characters=5,
        study=StudyConfig(
            cases=5, raters=2, text="</p><script>alert(1)</script>", questions=["motion", "</script><img src=x>"]
        ),
    )  # fmt: skip
    config = replace(config, benchmark={**config.benchmark, "_target_": "tests.study.test_design.Hostile"})
    store = Store(Path(config.results))
    generate(config, open_benchmark(config, store), store)
    found = made(config)
    assert {case.character for case in found.cases.values()} == set(Hostile.NAMES)
    page = folder(config) / "page" / "index.html"
    text = page.read_text(encoding="utf-8")
    for hostile in ("alert(1)</script>", "<img src=x>", *Hostile.NAMES):
        assert hostile not in text
    assert "&lt;/p&gt;&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert [question["name"] for question in data_of(page)["questions"]] == ["motion", "</script><img src=x>"]
    assert {path.parent for path in tmp_path.rglob("*.mp4") if path.parent.name == "media"} == {page.parent / "media"}
    assert json.loads((folder(config) / "key.json").read_text())["id"] == found.id
