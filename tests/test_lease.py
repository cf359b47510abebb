import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from charachbench import lease

HOLD = """
import sys, time
from pathlib import Path
from charachbench import lease
with lease.hold(Path(sys.argv[1]), wait=True) as held:
    print(held.deaths, flush=True)
    time.sleep(60)
"""


def start_holder(path: Path) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def elsewhere(path: Path, count: int = 0) -> None:
    """As if a process of another machine held it."""
    about = {"host": "another", "boot": "b", "processes": "p", "pid": os.getpid(), "started": "1", "deaths": 0}
    path.write_text(json.dumps({**about, "renewals": count}))


def test_one_holder_at_a_time(tmp_path):
    path = tmp_path / ".lease"
    with lease.hold(path, wait=False) as held:
        assert held is not None
        assert held.deaths == 0
        assert lease.is_held(path)
        with lease.hold(path, wait=False) as second:
            assert second is None
    assert list(tmp_path.iterdir()) == []
    assert not lease.is_held(path)


def test_waits_until_it_is_given_back(tmp_path):
    path, order = tmp_path / ".lease", []
    taken = threading.Event()

    def first() -> None:
        with lease.hold(path, wait=False):
            taken.set()
            time.sleep(0.3)
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    taken.wait()
    with lease.hold(path, wait=True):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]


def test_given_back_when_the_work_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), lease.hold(tmp_path / ".lease", wait=False):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_killed_holder_is_followed_at_once_and_counted(tmp_path):
    path = tmp_path / ".lease"
    for deaths in range(3):
        process, counted = start_holder(path)
        assert counted == deaths
        with lease.hold(path, wait=False) as mine:
            assert mine is None
        process.send_signal(signal.SIGKILL)
        if deaths < 2:  # the last one stays unburied: its number is taken, but nobody works there
            process.wait()
        else:
            while Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                time.sleep(0.01)
    assert not lease.is_held(path)
    with lease.hold(path, wait=False) as mine:
        assert mine is not None
        assert mine.deaths == 3
    process.wait()
    with lease.hold(path, wait=False) as again:
        assert again is not None
        assert again.deaths == 0  # somebody ended well in between


def test_a_stopped_holder_keeps_it(tmp_path):
    path = tmp_path / ".lease"
    process, _ = start_holder(path)
    try:
        process.send_signal(signal.SIGSTOP)
        for _ in range(3):
            with lease.hold(path, wait=False, patience=0.01) as mine:
                assert mine is None
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("content", [None, b"", b"\xff{", b"[]", b'{"deaths": "many", "pid": "none"}'])
def test_of_another_machine_only_when_it_stays_as_it_is(tmp_path, content):
    path = tmp_path / ".lease"
    elsewhere(path)
    for count in range(4):  # alive: it is renewed
        elsewhere(path, count)
        with lease.hold(path, wait=False, patience=0.2) as mine:
            assert mine is None
        time.sleep(0.06)
    assert lease.is_held(path)
    if content is not None:
        path.write_bytes(content)
    start = time.monotonic()
    with lease.hold(path, wait=True, patience=0.2) as mine:
        assert mine is not None
        assert mine.deaths == 1
    assert time.monotonic() - start > 0.1


def test_no_clock_of_the_wall_or_of_files_counts(tmp_path, monkeypatch):
    path = tmp_path / ".lease"
    elsewhere(path)
    for moment in (0, 4e9):
        monkeypatch.setattr(time, "time", lambda moment=moment: moment)
        os.utime(path, (moment, moment))
        with lease.hold(path, wait=False, patience=30) as mine:
            assert mine is None


def test_a_holder_renews_it(tmp_path):
    path, patience = tmp_path / ".lease", 0.6
    with lease.hold(path, wait=False, patience=patience):
        seen = set()
        for _ in range(8):  # others come and go meanwhile, which must not keep it from being renewed
            with lease.hold(tmp_path / ".other", wait=False, patience=patience):
                time.sleep(patience / lease.RENEWALS / 2)
            seen.add(json.loads(path.read_text())["renewals"])
    assert len(seen) >= 3


def test_a_slow_holder_leaves_the_lease_of_who_took_over(tmp_path):
    path = tmp_path / ".lease"
    with lease.hold(path, wait=False, patience=0.1) as slow:
        assert slow is not None
        path.unlink()  # somebody took it over, from another machine
        elsewhere(path)
        content = path.read_bytes()
        time.sleep(0.1)  # time to renew
        assert slow.lost
        assert path.read_bytes() == content
    assert path.read_bytes() == content


def test_a_finder_that_came_late_gives_back_what_it_cleared(tmp_path):
    path = tmp_path / ".lease"
    elsewhere(path, 7)
    assert not lease._clear(path, b"what was found dead")
    assert json.loads(path.read_text())["renewals"] == 7
    assert [each.name for each in tmp_path.iterdir()] == [".lease"]


def test_a_lease_that_ended_while_it_was_away_is_free(tmp_path):
    path = tmp_path / ".lease"
    with lease.hold(path, wait=False):
        path.rename(tmp_path / "away")
    (tmp_path / "away").rename(path)
    assert not lease.is_held(path)
    with lease.hold(path, wait=False) as mine:
        assert mine is not None
        assert mine.deaths == 0


@pytest.mark.parametrize("delay", [0.0, 0.02])
def test_many_at_a_dead_lease_all_get_it_in_turn(tmp_path, monkeypatch, delay):
    """Also where every look at the file system takes a while, as on a network."""
    path, rng = tmp_path / ".lease", random.Random(0)
    elsewhere(path)
    holders, most, done = 0, 0, 0
    count = threading.Lock()

    def slow(original):
        def slowly(*arguments):
            time.sleep(rng.uniform(0, delay))
            result = original(*arguments)
            time.sleep(rng.uniform(0, delay))
            return result

        return slowly

    for name in ("_read", "_clear", "_take"):
        monkeypatch.setattr(lease, name, slow(getattr(lease, name)))
    monkeypatch.setattr(lease, "POLL", 0.01)

    def work(_: int) -> None:
        nonlocal holders, most, done
        with lease.hold(path, wait=True, patience=0.2):
            with count:
                holders, done = holders + 1, done + 1
                most = max(most, holders)
            time.sleep(0.005)
            with count:
                holders -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(24)))
    assert done == 24
    assert most <= 2  # two for a moment, where one was late to find it dead
    assert list(tmp_path.iterdir()) == []
