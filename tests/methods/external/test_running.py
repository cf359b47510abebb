"""Processes: isolated, limited in time, and ended with all that they started."""

import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charachbench.benchmark.types import Pair
from charachbench.errors import PairFailure, UserError
from charachbench.protocols import Animation
from methods.external import External, running
from tests.methods.external import upstream
from tests.methods.external.upstream import Toy, levels, only, pair, tree

Load = Callable[..., External]
WORKER = {"module": "tests.methods.external.toy_worker"}


def batch(*modes: str) -> dict[str, Any]:
    """Entries of a recipe that does three pairs at once."""
    steps = [{"arguments": ["python", "batch.py", "{work}/jobs.json", *modes]}]
    return {"hook": "tests.methods.external.upstream.write_list", "steps": steps, "batch": 3}


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """A file for what the scripts have to tell."""
    return tmp_path / "notes"


@pytest.fixture
def told(notes: Path) -> dict[str, str]:
    """Variables that lead them there."""
    return {"TOY_NOTES": str(notes)}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "GRACE", 0.5)


def outcome(method: External, pair: Pair) -> Animation | PairFailure:
    try:
        return method.animate(pair, seed=0)
    except PairFailure as error:
        return error


def failed(method: External, pair: Pair) -> PairFailure:
    found = outcome(method, pair)
    assert isinstance(found, PairFailure)
    return found


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@contextmanager
def our_input(text: str) -> Iterator[None]:
    """This process's standard input holds a text."""
    kept, (reading, writing) = os.dup(0), os.pipe()
    os.write(writing, text.encode())
    os.close(writing)
    os.dup2(reading, 0)
    try:
        yield
    finally:
        os.dup2(kept, 0)
        os.close(kept)
        os.close(reading)


def test_the_environment_is_its_own(
    toy: Toy, loaded: Load, notes: Path, told: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    monkeypatch.setenv("HF_TOKEN", "secret")
    variables = {**told, "SEED": "{seed}", "TEXT": "{{}} größe"}
    method = loaded("--modes", "*=look", environment__variables=variables)
    with our_input("typed by a person"):
        method.animate(pair(), seed=7)
    found = json.loads(notes.read_text(encoding="utf-8"))
    assert found["packages"] == ["toy_requirement"]  # neither numpy nor charachbench
    assert found["checkpoint"] == "trained"
    assert found["read"] == ""  # standard input is closed
    assert "HF_TOKEN" not in found["environment"]
    assert (found["environment"]["SEED"], found["environment"]["TEXT"]) == ("7", "{} größe")
    assert found["environment"]["PYTHONPATH"] == found["cwd"]
    assert found["environment"]["CUDA_VISIBLE_DEVICES"] == ""
    assert found["environment"]["VIRTUAL_ENV"].startswith(str(toy.external))
    assert not Path(found["cwd"]).exists()


def test_what_a_script_overwrites_is_a_copy(toy: Toy, loaded: Load) -> None:
    vandal, peaceful = pair("c0"), pair("c1")
    method = loaded("--modes", only(toy.external, vandal.character.image, "vandal"))
    before, image = tree(method.installation.checkout), vandal.character.image.copy()
    for _ in range(2):
        assert levels(method.animate(vandal, 0).video) == [0, 1, 2, 3]
        assert levels(method.animate(peaceful, 0).video) == [0, 1, 2, 3]
    assert tree(method.installation.checkout) == before
    assert toy.checkpoint.read_text() == "trained"
    assert np.array_equal(vandal.character.image, image)
    assert upstream.git(method.installation.checkout, "status", "--porcelain") == ""


def test_nothing_is_left(toy: Toy, loaded: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "für alle"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    method = loaded("--modes", only(tmp_path, pair("c1").character.image, "raise"))
    method.animate(pair("c0"), 0)
    failed(method, pair("c1"))
    (folder,) = temporary.iterdir()
    assert {path.name for path in folder.iterdir()} <= {"log.txt"}
    method.close()
    assert not list(temporary.iterdir())
    method.close()


def test_a_folder_of_weights_joins_the_repositorys(toy: Toy, loaded: Load, tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    (weights / "sub").mkdir(parents=True)
    (weights / "toy.pth").write_text("x")
    (weights / "sub" / "notes.txt").write_text("of the weights")
    places = {"a": "data", "b": "new/place"}
    method = loaded(files={name: {"weights": str(weights), "to": place} for name, place in places.items()})
    checkout = tmp_path / "view"
    method._view(checkout)
    assert (checkout / "data" / "notes.txt").read_text() == "notes\n"
    assert (checkout / "data" / "toy.pth").read_text() == "x"
    assert (checkout / "new" / "place" / "sub" / "notes.txt").read_text() == "of the weights"
    assert not (method.installation.checkout / "data" / "toy.pth").exists()


def test_a_folder_of_weights_joins_one_of_the_same_name_in_a_folder(toy: Toy, loaded: Load, tmp_path: Path) -> None:
    (tmp_path / "weights" / "data").mkdir(parents=True)
    (tmp_path / "weights" / "data" / "toy.pth").write_text("x")
    method = loaded(files={"a": {"weights": str(tmp_path / "weights"), "to": "."}})
    method._view(tmp_path / "view")
    assert {path.name for path in (tmp_path / "view" / "data").iterdir()} == {"notes.txt", "teaser.gif", "toy.pth"}


def test_what_hangs_is_ended_with_its_children(
    toy: Toy, loaded: Load, notes: Path, told: dict[str, str], tmp_path: Path
) -> None:
    hanging = pair("c0")
    modes = only(tmp_path, hanging.character.image, "hang")
    method = loaded("--modes", modes, time_limit=2, environment__variables=told)
    began = time.monotonic()
    failure = failed(method, hanging)
    assert time.monotonic() - began < 9
    assert (failure.kind, str(failure)) == ("time_limit", "did not end within 2 s")
    assert ": hang" in failure.log
    parent, child = (int(number) for number in notes.read_text().split())
    assert not is_running(parent)
    assert not is_running(child)
    assert levels(method.animate(pair("c1"), 0).video) == [0, 1, 2, 3]


def test_what_runs_ends_when_another_thread_closes(
    loaded: Load, told: dict[str, str], notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    method = loaded(**batch("*=hang"), environment__variables=told)
    method.expect([pair("c0"), pair("c1")])
    with ThreadPoolExecutor(1) as beside:
        animating = beside.submit(method.animate, pair("c0"), 0)
        while " " not in (notes.read_text() if notes.exists() else ""):
            assert not animating.done()
            time.sleep(0.02)
        method.close()
        with pytest.raises(RuntimeError, match="^is closed$"):  # nothing is tried once more
            animating.result(5)
    parent, child = (int(number) for number in notes.read_text().split()[-2:])
    assert not is_running(parent)
    assert not is_running(child)
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.slow
def test_a_process_that_does_not_heed_is_killed(toy: Toy, loaded: Load, notes: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(running, "GRACE", 0.2)
    stubborn = "import os, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    stubborn += "; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(100)"
    method = loaded(steps=[{"arguments": ["python", "-c", stubborn, str(notes)]}], time_limit=1)
    assert failed(method, pair()).kind == "time_limit"
    assert not is_running(int(notes.read_text()))


def test_what_a_script_leaves_running_is_ended_too(toy: Toy, loaded: Load, notes: Path) -> None:
    daemon = "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(100)'])"
    daemon += "; open(sys.argv[1], 'w').write(str(p.pid))"
    method = loaded(steps=[{"arguments": ["python", "-c", daemon, str(notes)]}])
    assert str(failed(method, pair())) == "it made no result"
    assert not is_running(int(notes.read_text()))


def test_a_program_that_cannot_be_run(loaded: Load) -> None:
    failure = failed(loaded(steps=[{"arguments": ["toy-that-is-nowhere", "{image}"]}]), pair())
    assert str(failure) == (
        "it made no result, exit status 127: toy-that-is-nowhere: cannot be run (No such file or directory)"
    )


def test_steps_follow_each_other_and_the_first_that_fails_ends_them(loaded: Load) -> None:
    check = "import pathlib; assert pathlib.Path('between').read_text() == 'by the first step', 'not there'"
    animate = upstream.steps()
    first = {"arguments": ["python", "first.py", "{checkout}/between"], "folder": "tools"}
    steps = [first, {"arguments": ["python", "-c", check]}, *animate]
    assert levels(loaded(steps=steps).animate(pair(), 0).video) == [0, 1, 2, 3]
    failure = failed(loaded(steps=[{"arguments": ["python", "-c", check]}, first, *animate]), pair())
    assert "No such file or directory: 'between'" in str(failure)
    assert "animate.py" not in failure.log
    late = loaded(steps=[*animate, {"arguments": ["python", "-c", "raise SystemExit(4)"]}]).animate(pair(), 0)
    assert late.notes["status"] == 4


def test_arguments_for_machines_without_a_gpu(loaded: Load) -> None:
    (step,) = upstream.steps()
    method = loaded(steps=[{**step, "cpu_arguments": ["--modes", "*=degraded"]}])
    assert method.animate(pair(), 0).degraded == "ran without alignment"
    method.device = "cuda"
    assert method.animate(pair(), 0).degraded == ""


def test_a_hook_writes_what_flags_cannot_say(loaded: Load, told: dict[str, str], notes: Path) -> None:
    method = loaded(**{**batch(), "batch": 1}, environment__variables=told)
    assert levels(method.animate(pair(), 0).video) == [0, 1, 2, 3]
    assert notes.read_text() == "1\n"


def test_a_hook_that_fails_is_told(loaded: Load) -> None:
    method = loaded(hook="tests.methods.external.upstream.broken_hook")
    with pytest.raises(RuntimeError, match="^the hook is broken$"):
        method.animate(pair(), 0)
    assert list(method.folder.glob("p*")) == []  # a benchmark's inputs would fill a disk
    with pytest.raises(UserError, match="^recipe.hook: tests.fakes.SIZE is not a function$"):
        loaded(hook="tests.fakes.SIZE").animate(pair(), 0)
    with pytest.raises(UserError, match="^recipe.hook: cannot import tests.fakes.nothing "):
        loaded(hook="tests.fakes.nothing").animate(pair(), 0)


def test_our_scripts_run_in_its_environment(loaded: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ours.py").write_text("import sys, toy_requirement, animate\nprint('here I am')\nsys.exit('enough')\n")
    monkeypatch.setattr(running, "SCRIPTS", tmp_path)
    method = loaded(steps=[{"arguments": ["python", "{scripts}/ours.py"]}])
    failure = failed(method, pair())
    assert str(failure) == "it made no result, exit status 1: enough"
    assert "here I am" in failure.log
    before = method.identity
    (tmp_path / "ours.py").write_text("print('other')")
    assert loaded(steps=[{"arguments": ["python", "{scripts}/ours.py"]}]).identity != before


@pytest.mark.parametrize(
    ("device", "visible", "shown"),
    [
        ("cpu", None, ""),
        ("mps", "0", ""),
        ("cuda", None, "0"),
        ("cuda:2", None, "2"),
        ("cuda", "5, 7", "5"),
        ("cuda:1", "5, 7", "7"),
        ("cuda:1", "GPU-aa,GPU-bb", "GPU-bb"),
    ],
)
def test_one_gpu_is_visible(monkeypatch: pytest.MonkeyPatch, device: str, visible: str | None, shown: str) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert running.visible_devices(device) == shown


def test_the_gpu_is_chosen_by_a_variable(loaded: Load, notes: Path, told: dict[str, str]) -> None:
    method = loaded("--modes", "*=look", environment__variables=told)
    method.device = "cuda:3"
    method.animate(pair(), 0)
    assert json.loads(notes.read_text())["environment"]["CUDA_VISIBLE_DEVICES"] == "3"


# Workers


@pytest.fixture
def working(loaded: Load, told: dict[str, str]) -> Load:
    """Makes methods with a worker; ``arguments`` are the worker's."""

    def load(arguments: dict[str, Any] | None = None, **changes: Any) -> External:
        worker = {**WORKER, "arguments": arguments or {}}
        return loaded(steps=[], worker=worker, environment__variables=told, **changes)

    return load


def loads(notes: Path) -> int:
    return notes.read_text().count("load cpu\n")


def test_a_worker_loads_once(working: Load, notes: Path) -> None:
    method = working()
    for name in ("c0", "c1", "c2"):
        animation = method.animate(pair(name), 0)
        assert levels(animation.video) == [0, 1, 2, 3]
        assert animation.notes["status"] is None
        assert "not an answer" in animation.log  # what it prints disturbs nobody
        assert animation.log.count("animating") == 1  # each pair has its own
    assert loads(notes) == 1


@pytest.mark.parametrize(
    ("mode", "status", "said", "restarts"),
    [
        ("raise", "", ": ValueError: no luck today", 0),
        ("silent", "", "", 1),  # sys.exit(0)
        ("die", ", exit status 9", "", 1),
        ("memory", None, "ran out of memory: MemoryError: CUDA out of memory. Tried to allocate 20.00 GiB", 0),
    ],
)
def test_a_worker_goes_on_after_a_failure(
    working: Load, notes: Path, tmp_path: Path, mode: str, status: str | None, said: str, restarts: int
) -> None:
    bad = pair("c1")
    method = working({"modes": [only(tmp_path, bad.character.image, mode)]})
    assert levels(method.animate(pair("c0"), 0).video) == [0, 1, 2, 3]
    failure = failed(method, bad)
    if status is None:
        assert (failure.kind, str(failure)) == ("out_of_memory", said)
    else:
        assert str(failure).startswith(f"it made no result{status}{said}")
    assert levels(method.animate(pair("c2"), 0).video) == [0, 1, 2, 3]
    assert loads(notes) == 1 + restarts


@pytest.mark.slow
def test_a_worker_that_hangs_is_started_again(working: Load, notes: Path, tmp_path: Path, told: Any) -> None:
    bad = pair("c1")
    told["TOY_NOTES"] = str(notes)
    method = working({"modes": [only(tmp_path, bad.character.image, "hang")]}, time_limit=2)
    method.animate(pair("c0"), 0)
    assert failed(method, bad).kind == "time_limit"
    process, child = (int(number) for number in notes.read_text().split())
    assert not is_running(process)
    assert not is_running(child)
    assert levels(method.animate(pair("c2"), 0).video) == [0, 1, 2, 3]


def test_a_worker_that_hangs_as_it_ends_is_killed(
    working: Load, loaded: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "import os, time\ndef load(*_): pass\ndef run(*_):\n    os.closerange(3, 50)\n    time.sleep(100)\n"
    (tmp_path / "stuck_worker.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    method = loaded(steps=[], worker={"module": "stuck_worker"})
    began = time.monotonic()
    assert str(failed(method, pair())) == "it made no result, exit status -15"
    assert time.monotonic() - began < 5


def test_a_worker_that_cannot_load_fails_with_what_it_said(working: Load, loaded: Load) -> None:
    with pytest.raises(PairFailure, match="^worker .*toy_worker: exit status 1 at start: OSError: no such") as failure:
        working({"fails": True})
    assert "Traceback" in failure.value.log
    with pytest.raises(PairFailure, match=r"toy_worker: did not start within 0.5 s"):
        working({"slow": True}, start_limit=0.5)
    with pytest.raises(UserError, match="^recipe.worker.module: there is no module tests.methods.external.nobody$"):
        loaded(steps=[], worker={"module": "tests.methods.external.nobody"})


def test_a_worker_ends_with_the_method(working: Load) -> None:
    method = working()
    assert method._worker is not None
    process = method._worker._process
    method.close()
    assert process.poll() is not None
    assert not is_running(process.pid)


def test_a_worker_ends_when_nobody_asks_any_more(working: Load) -> None:
    """Such as after a crash of this process, whose end of the pipe is then closed."""
    method = working()
    assert method._worker is not None
    process = method._worker._process
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(5) == 0


# Batches


def test_a_batch_is_one_start(loaded: Load, told: dict[str, str], notes: Path) -> None:
    method = loaded(**batch(), environment__variables=told)
    pairs = [pair(f"c{index}", frames=2 + index) for index in range(5)]
    method.expect(pairs)
    for index, each in enumerate(pairs):
        assert levels(method.animate(each, 0).video) == list(range(2 + index))
    assert notes.read_text() == "3\n2\n"


def test_a_bad_pair_spoils_nothing_for_others(loaded: Load, told: dict[str, str], notes: Path, tmp_path: Path) -> None:
    pairs = [pair(f"c{index}") for index in range(5)]
    bad = only(tmp_path, pairs[1].character.image, "no_face")
    method = loaded(**batch(bad), environment__variables=told)
    method.expect(pairs)
    outcomes = [outcome(method, each) for each in pairs]
    assert [isinstance(each, Animation) for each in outcomes] == [True, False, True, True, True]
    failure = outcomes[1]
    assert isinstance(failure, PairFailure)
    assert (failure.kind, str(failure)) == ("no_face", "no face found (No face detected)")
    assert failure.log.count("animating") == 1  # alone
    assert notes.read_text().split() == ["3", "3", "1", "3"]


def test_in_a_batch_only_the_pair_that_is_degraded_is(loaded: Load, told: dict[str, str], tmp_path: Path) -> None:
    pairs = [pair(f"c{index}") for index in range(3)]
    some = only(tmp_path, pairs[1].character.image, "degraded")
    method = loaded(**batch(some), environment__variables=told)
    method.expect(pairs)
    assert [method.animate(each, 0).degraded for each in pairs] == ["", "ran without alignment", ""]


def test_a_pair_that_cannot_be_handed_over_fails_alone(loaded: Load, told: dict[str, str], notes: Path) -> None:
    pairs = [pair("c0"), pair("c1", frames=9), pair("c2")]
    method = loaded(**batch(), environment__variables=told, inputs__maximum_frames=8)
    method.expect(pairs)
    assert levels(method.animate(pairs[0], 0).video) == [0, 1, 2, 3]
    with pytest.raises(UserError, match="^the driver has 9 frames, and this method takes 8 at most"):
        method.animate(pairs[1], 0)
    assert levels(method.animate(pairs[2], 0).video) == [0, 1, 2, 3]
    assert notes.read_text() == "2\n"


def test_a_hook_that_fails_for_one_pair_fails_that_one(
    loaded: Load, told: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = [pair(f"c{index}") for index in range(3)]
    method = loaded(**batch(), environment__variables=told)
    bad = method._job(pairs[1], 0).stem

    def hook(jobs: Any, work: Path) -> None:
        if bad in [job.stem for job in jobs]:
            raise PairFailure("no face in this one", "no_face")
        upstream.write_list(jobs, work)

    monkeypatch.setattr(running, "locate_function", lambda path: hook)
    method.expect(pairs)
    outcomes = [outcome(method, each) for each in pairs]
    assert [getattr(each, "kind", "ok") for each in outcomes] == ["ok", "no_face", "ok"]


@pytest.mark.slow
def test_a_batch_has_the_time_of_all_its_pairs(loaded: Load, told: dict[str, str], tmp_path: Path, notes: Path) -> None:
    pairs = [pair(f"c{index}") for index in range(2)]
    told["TOY_NOTES"] = os.devnull
    bad = only(tmp_path, pairs[1].character.image, "hang")
    method = loaded(**batch(bad), environment__variables=told, time_limit=2)
    method.expect(pairs)
    assert levels(method.animate(pairs[0], 0).video) == [0, 1, 2, 3]  # done before the other hung
    failure = failed(method, pairs[1])
    assert (failure.kind, str(failure)) == ("time_limit", "did not end within 2 s")
