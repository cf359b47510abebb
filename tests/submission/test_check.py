"""What contradicts the benchmark, or itself, is told, all of it, a sentence each."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charachbench import video
from charachbench.config import Aggregation
from charachbench.evaluate import build_metrics
from charachbench.generate import describe_run
from charachbench.store import Store
from charachbench.submission import board, clips
from charachbench.submission.check import contradictions, unlike_method, unlike_metrics, wrong_clips, wrong_files
from charachbench.submission.read import Refused, read
from charachbench.submission.schema import Bundle
from tests.fakes import clip as clip_of
from tests.submission.bundles import METRICS, configured, edited, manifest_of, members, opened, scores_of
from tests.submission.conftest import Sent

Change = Callable[[Any], object]


def nothing(_: Any) -> None:
    """Changes nothing."""


def found_in(sent: Sent, tmp_path: Path, manifest: Change = nothing, scores: Change = nothing) -> list[str]:
    """The contradictions of a changed copy."""
    bundle, problems = read(edited(sent.path, tmp_path / "x.zip", manifest, scores), sent.pairs)
    return problems + contradictions(bundle, sent.benchmark)


def test_nothing_is_wrong_with_what_was_written(sent: Sent) -> None:
    bundle, problems = read(sent.path, sent.pairs)
    assert problems + contradictions(bundle, sent.benchmark) == []
    assert unlike_metrics(bundle, build_metrics(sent.config)) == []
    assert unlike_method(bundle, describe_run(sent.config, sent.benchmark)) == []
    at_hand = clips.find(bundle, sent.benchmark, sent.store, None)
    assert at_hand is not None
    assert at_hand.where == "the bundle"
    assert wrong_clips(at_hand, sent.benchmark) == []


def rename(name: str) -> Change:
    """Calls the first pair otherwise, wherever it is called."""

    def change(found: Any) -> None:
        found["benchmark"]["pairs"][0]["name"] = found["clips"][0]["pair"] = name

    return change


@pytest.mark.parametrize(
    ("manifest", "problems"),
    [
        (lambda found: found["benchmark"].update(name="toy"), ["benchmark is not as here: name: tiny → toy"]),
        (lambda found: found["benchmark"]["options"].update(frames=5), ["benchmark is not as here: options.frames"]),
        (rename("c0_d0"), [
            "pair 'c0_d0' is not of tiny; did you mean 'c0__d0'?", "lacks pairs of tiny: c0__d0",
            "clip or failure of 'c0_d0', which is no pair of tiny; did you mean 'c0__d0'?",
            "says neither clip nor failure of c0__d0",
            "scores.csv: pair 'c0__d0' has neither clip nor failure; did you mean 'c0_d0'?",
            "scores.csv: lacks brightness of c0_d0",
        ]),
        (lambda found: found["clips"].append({**found["clips"][0], "pair": "C0__D0"}), [
            "clip or failure of pair 'c0__d0' and 'C0__D0' is there 2 times, case aside",
            "environments made 11 clips, but there are 12",
        ]),
        (lambda found: found["clips"].append(found["clips"][0]), ["clip or failure of pair 'c0__d0' is there 2 times"]),
        (lambda found: found["failures"].clear(), [
            "says neither clip nor failure of c1__d0", "scores.csv: pair 'c1__d0' has neither clip nor failure",
        ]),
        (lambda found: found["clips"][0].update(frames=3), ["clip of c0__d0: has 3 frames, its driver 4"]),
        (lambda found: found["clips"][0].update(width=64), ["clip of c0__d0: frames are 64 x 32, its"]),
        (lambda found: found["clips"][0]["inputs"].update(driver="0"), [
            "clip of c0__d0: was made of another driver than is here (its fingerprint differs)",
        ]),
        (lambda found: found["clips"][0].update(files={}), ["clip of c0__d0: needs hashes of a video"]),
        (lambda found: found["method"].update(given=["truth"]), [
            "method was given the truth, but is not marked as a control",
            "clip of c0__d0: was made of another truth than is here",
        ]),
        (lambda found: found["metrics"][0].update(random=True), ["metric 'brightness': names end in _random if"]),
        (lambda found: found["figures"][1].update(value=1.5), ["figure of difference: value is 1.5, but"]),
        (lambda found: found["figures"][1].update(low=None), ["figure of difference: low is None, but"]),
        (lambda found: found["figures"][2].update(pairs=12), ["figure of spread: pairs is 12, but the scores give 11"]),
        (lambda found: found["figures"].pop(0), ["lacks the figures of brightness"]),
        (lambda found: found["figures"].append({**found["figures"][0], "metric": "brigthness"}), [
            "figure of 'brigthness', which is no metric of the manifest; did you mean 'brightness'?",
        ]),
    ],
)  # fmt: skip
def test_what_a_manifest_gets_wrong(sent: Sent, tmp_path: Path, manifest: Change, problems: list[str]) -> None:
    found = found_in(sent, tmp_path, manifest)
    for problem in problems:
        assert [each for each in found if each.startswith(problem)], found


@pytest.mark.parametrize(
    ("scores", "problems"),
    [
        (lambda rows: rows.append(["c9__d0", "spread", "scored", "1", ""]), [
            "scores.csv: pair 'c9__d0' has neither clip nor failure; did you mean 'c5__d0'?",
        ]),
        (lambda rows: rows.append(["c0__d0", "spraed", "scored", "1", ""]), [
            "scores.csv: metric 'spraed' is not in the manifest; did you mean 'spread'?",
        ]),
        (lambda rows: rows.append(rows[1]), ["scores.csv: brightness of c0__d0 is there 2 times"]),
        (lambda rows: rows.pop(1), ["scores.csv: lacks brightness of c0__d0", "figure of brightness: pairs"]),
        (lambda rows: rows[1].__setitem__(3, "nan"), ["scores.csv: brightness of c0__d0 is scored, but its"]),
        (lambda rows: rows[1].__setitem__(3, ""), ["scores.csv: brightness of c0__d0 is scored, but has no value"]),
        (lambda rows: rows[1].__setitem__(2, "failed"), ["scores.csv: brightness of c0__d0 is failed, but"]),
        (lambda rows: rows[5].__setitem__(slice(2, 4), ["scored", "1"]), [
            "scores.csv: brightness of c1__d0 is scored, but the pair failed",
        ]),
        (lambda rows: rows[1].__setitem__(3, "999"), ["figure of brightness: value is"]),
    ],
)  # fmt: skip
def test_what_scores_get_wrong(sent: Sent, tmp_path: Path, scores: Change, problems: list[str]) -> None:
    found = found_in(sent, tmp_path, scores=scores)
    for problem in problems:
        assert [each for each in found if each.startswith(problem)], found


def test_metrics_of_another_protocol_are_told_with_what_differs(sent: Sent) -> None:
    bundle, _ = read(sent.path, sent.pairs)
    others = {**METRICS, "shift": {**METRICS["shift"], "scale": 2.0}, "bright": METRICS["brightness"]}
    del others["brightness"]
    found = unlike_metrics(bundle, build_metrics(configured(sent.store.root, metrics=others)))
    assert found[:2] == [
        "metric 'brightness' is not configured here; did you mean 'bright'?",
        "lacks the metric 'bright'",
    ]
    (told,) = found[2:]
    assert told == "metric 'shift' is of another protocol than here: config.scale: 2.0 → absent"


def test_facts_under_a_borrowed_signature_are_told(sent: Sent, tmp_path: Path) -> None:
    path = edited(sent.path, tmp_path / "x.zip", lambda found: found["metrics"][0].update(direction="down"))
    bundle, _ = read(path, sent.pairs)
    assert unlike_metrics(bundle, build_metrics(sent.config)) == [
        "metric 'brightness' is of another protocol than here: direction: up → down"
    ]


def test_flags_are_held_against_the_configured_method(sent: Sent, tmp_path: Path) -> None:
    def change(found: Any) -> None:
        found["method"].update(control=True, random=True)

    bundle, _ = read(edited(sent.path, tmp_path / "x.zip", change), sent.pairs)
    assert unlike_method(bundle, describe_run(sent.config, sent.benchmark)) == [
        "method is not as here: control: False → True", "method is not as here: random: False → True",
    ]  # fmt: skip


def clip_problems(sent: Sent, path: Path, folder: str | None = None) -> list[str]:
    bundle, problems = read(path, sent.pairs)
    found = clips.find(bundle, sent.benchmark, sent.store, folder)
    assert found is not None
    return problems + wrong_clips(found, sent.benchmark)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda held: held.pop("clips/c0__d0.mkv"), "c0__d0: its video.mkv is not in the bundle"),
        (lambda held: held.update({"clips/c0__d0.mkv": b"no video"}), "cannot be decoded as video"),
        (lambda held: held.update({"clips/c0__d0.mkv": held["clips/c2__d0.mkv"]}), "c0__d0: its frames are not those"),
        (
            lambda held: held.update({"clips/c1__d0.mkv": b""}),
            "the bundle holds 'clips/c1__d0.mkv', which was not bundled",
        ),
    ],
)
def test_clips_that_are_not_what_was_bundled(sent: Sent, tmp_path: Path, change: Change, problem: str) -> None:
    (told,) = clip_problems(sent, edited(sent.path, tmp_path / "x.zip", files=change))
    assert problem in told


def test_clips_in_the_store_do_as_well(sent: Sent, tmp_path: Path) -> None:
    path = edited(sent.path, tmp_path / "x.zip", files=without_clips)
    bundle, _ = read(path, sent.pairs)
    found = clips.find(bundle, sent.benchmark, sent.store, None)
    assert found is not None
    assert found.where.startswith(str(sent.store.root))
    assert wrong_clips(found, sent.benchmark) == []
    assert clips.find(bundle, sent.benchmark, Store(tmp_path), None) is None


def without_clips(held: dict[str, bytes]) -> None:
    """Leaves hashes alone."""
    for name in [name for name in held if name.startswith("clips/")]:
        del held[name]


def test_a_lossless_copy_in_another_format_is_the_same_and_a_lossy_one_is_not(sent: Sent, tmp_path: Path) -> None:
    import av

    folder = tmp_path / "copies"
    folder.mkdir()
    for name, data in members(sent.path).items():
        if name.startswith("clips/"):
            (folder / Path(name).name).write_bytes(data)
    assert clip_problems(sent, sent.path, str(folder)) == []
    made = video.read(folder / "c0__d0.mkv")
    (folder / "c0__d0.mkv").unlink()
    with av.open(str(folder / "c0__d0.avi"), "w") as output:
        stream: Any = output.add_stream("ffv1", rate=25, options={})
        stream.width, stream.height, stream.pix_fmt = 32, 32, "bgr0"
        for pixels in made.frames:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        output.mux(stream.encode(None))
    (folder / "c0__d0.avi").rename(folder / "c0__d0.mov")  # what it is, its content says
    assert clip_problems(sent, sent.path, str(folder)) == []
    video.write_mp4(made, folder / "c0__d0.mov")
    assert clip_problems(sent, sent.path, str(folder)) == [
        "c0__d0: its frames are not those that were bundled (another hash)"
    ]
    video.write_lossless(video.Video(made.frames[:3], 25.0), folder / "c0__d0.mkv")
    (folder / "c0__d0.mov").unlink()
    assert clip_problems(sent, sent.path, str(folder)) == ["c0__d0: has 3 frames, its manifest says 4"]


def test_a_folder_of_clips(sent: Sent, tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    for pair in sent.benchmark.pairs:
        video.write_mp4(clip_of(pair.name, 4), folder / f"{pair.name}.mp4")
    assert wrong_files(folder, sent.benchmark) == []
    (folder / "c0__d0.mp4").rename(folder / "c0_d0.mp4")
    video.write_mp4(clip_of("long", 6), folder / "c1__d0.mp4")
    video.write_mp4(clip_of("short", 2), folder / "c2__d0.mp4")
    (folder / "c3__d0.mp4").write_bytes(b"")
    (folder / "c4__d0.webm").write_bytes((folder / "c4__d0.mp4").read_bytes())
    (folder / "notes.txt").write_text("x")
    assert wrong_files(folder, sent.benchmark) == [
        "'c4__d0.webm' and 'c4__d0.mp4' are of one pair",
        "'notes.txt' is no video of a known ending",
        "'c0_d0.mp4' is of no pair of tiny; did you mean 'c0__d0'?",
        "c0__d0: has no video",
        "c1__d0.mp4: has more frames, its driver 4",
        "c2__d0.mp4: has 2 frames, its driver 4",
        f"{folder}/c3__d0.mp4: cannot be decoded as video (Invalid data found when processing input); is it complete?",
    ]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["c0__d0", "spread", "../x", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def paths(node: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """To everything in a nested value."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path for name, inner in items for path in ((*above, name), *paths(inner, (*above, name)))]


@settings(max_examples=100)
@given(data=st.data())
def test_whatever_a_manifest_holds_ends_in_sentences(
    sent: Sent, tmp_path_factory: pytest.TempPathFactory, data: Any
) -> None:
    folder, manifest = tmp_path_factory.mktemp("mutated"), copy.deepcopy(manifest_of(sent.path))
    for _ in range(data.draw(st.integers(1, 3))):
        *above, name = data.draw(st.sampled_from(paths(manifest)))
        node = manifest
        for part in above:
            node = node[part]
        what = data.draw(st.sampled_from(["replace", "remove", "repeat"]))
        if what == "replace":
            node[name] = data.draw(JSON)
        elif what == "remove":
            del node[name]
        elif isinstance(node, list):
            node.append(node[name])
        if not paths(manifest):
            break
    path = edited(
        sent.path, folder / "x.zip", files=lambda held: held.update({"manifest.json": json.dumps(manifest).encode()})
    )
    problems = judged(sent, path)
    assert all(isinstance(problem, str) and problem for problem in problems)
    if manifest != manifest_of(sent.path) and not problems:  # what may differ can also be shown
        bundle, _ = read(path, sent.pairs)
        assert board.make([bundle], sent.benchmark, Aggregation.shared_pairs, {}).rows[0].made == 11


@settings(max_examples=30)
@given(
    row=st.integers(1, 48),
    column=st.integers(0, 4),
    text=st.text(max_size=8) | st.sampled_from(["inf", "1e999", "failed"]),
)
def test_whatever_a_score_holds_ends_in_sentences(
    sent: Sent, tmp_path_factory: pytest.TempPathFactory, row: int, column: int, text: str
) -> None:
    path = tmp_path_factory.mktemp("mutated") / "x.zip"
    same = scores_of(sent.path)[row][column] == text
    problems = judged(sent, edited(sent.path, path, scores=lambda rows: rows[row].__setitem__(column, text)))
    assert same or problems or column == 4 or np.isclose(float(text), float(scores_of(sent.path)[row][column]))


def judged(sent: Sent, path: Path) -> list[str]:
    """All that is wrong but for the clips."""
    try:
        bundle, problems = read(path, sent.pairs)
    except Refused as refused:
        return refused.problems
    return problems + contradictions(bundle, sent.benchmark) + unlike_metrics(bundle, build_metrics(sent.config))


def test_bundles_of_other_benchmarks_are_told(sent: Sent, tmp_path: Path) -> None:
    bundle: Bundle = read(sent.path, sent.pairs)[0]
    _, other = opened(configured(tmp_path, benchmark_salt="x", benchmark_option=1))
    found = contradictions(bundle, other)
    assert found[0] == "benchmark is not as here: options.option: 1 → 0"
    assert found[1] == "clip of c0__d0: was made of another driver than is here (its fingerprint differs)"
    assert len(found) == 1 + 5
