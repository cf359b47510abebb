"""Leases: who works on what, on any file system that machines share.

A lease is a file that its holder creates exclusively, rewrites every now and then, and removes. Whoever meets another's
takes it over if the holder's process is gone from this machine, or else once the file has stayed as it is for too long
by the finder's own monotonic clock: no two clocks are compared, and the file system is asked for no locks.

A lease saves work, nothing depends on it: a holder that was merely slow may lose it without knowing, so what is done
under it must be right also where it is done twice. In the store that is so: files appear whole, under names that say
what decided them, and records hold the hashes of the files that they speak of.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import os
import platform
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 60.0
"""Seconds for which a lease must have stayed as it is before it is taken from a holder that cannot be seen."""
RENEWALS = 6
"""In that time."""
GIVEN_BACK = {"deaths": -1}
"""What a lease says that is nobody's any more; who takes it follows no death."""
POLL = 0.2
"""Seconds between looks at a lease that is waited for."""


@dataclass(frozen=True)
class Lease:
    """A lease that is held.

    Attributes:
        path: its file.
        deaths: how many holders died one after the other, none of them giving it back.
    """

    path: Path
    deaths: int
    descriptor: int

    @property
    def lost(self) -> bool:
        """Whether somebody took it over."""
        try:
            return not os.path.samestat(os.fstat(self.descriptor), self.path.stat())
        except OSError:
            return True

    def renew(self, count: int) -> None:
        """Show that the holder lives. To the file that was created, not to one that may be another's by now."""
        self._write({**_identity(os.getpid()), "deaths": self.deaths, "renewals": count})

    def give_back(self) -> None:
        """End it. Who has moved the file away for a moment, and puts it back, puts back one that says so."""
        self._write(GIVEN_BACK)
        if not self.lost:
            self.path.unlink(missing_ok=True)
        os.close(self.descriptor)

    def _write(self, about: dict[str, Any]) -> None:
        content = json.dumps(about).encode()
        try:
            os.pwrite(self.descriptor, content, 0)
            os.ftruncate(self.descriptor, len(content))
            os.fsync(self.descriptor)  # or a network file system shows others the old one
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):  # an empty lease is one, too: room can be made under it
                raise


@contextlib.contextmanager
def hold(path: Path, *, wait: bool, patience: float = PATIENCE) -> Iterator[Lease | None]:
    """Hold the lease at ``path``; yields None, without waiting, where another holds it and ``wait`` is false.

    Args:
        path: in a folder that exists.
        wait: until it is given back, or was left for too long.
        patience: see ``PATIENCE``.

    Raises:
        OSError: the folder cannot be written.
    """
    while (lease := _take(path, patience)) is None:
        if not wait:
            yield None
            return
        time.sleep(POLL)
    _renewer.add(lease, patience / RENEWALS)
    try:
        yield lease
    finally:
        _renewer.remove(lease)
        lease.give_back()


def is_held(path: Path) -> bool:
    """Whether there is a lease, be its holder alive or not, unless the holder is gone from this machine."""
    content = _read(path)
    return content is not None and _is_gone(content) is not True


def _take(path: Path, patience: float) -> Lease | None:
    content, deaths = _read(path), 0
    if content is not None:
        if not _is_dead(path, content, patience):
            return None
        deaths = _number(content, "deaths") + 1
        if not _clear(path, content):
            return None
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return None
    lease = Lease(path, deaths, descriptor)
    lease.renew(0)
    return lease


def _clear(path: Path, content: bytes) -> bool:
    """Remove a dead holder's lease; false where somebody else did, and maybe holds it now."""
    aside = path.with_name(f".{uuid.uuid4().hex}{path.name}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return False
    mine = _read(aside) == content
    if not mine:  # another finder was faster, and this is the new holder's: give it back
        with contextlib.suppress(OSError):
            path.hardlink_to(aside)
    aside.unlink(missing_ok=True)
    return mine


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:  # not there, or stale on a network
        return None


def _about(content: bytes) -> dict[str, Any]:
    try:
        about = json.loads(content)
    except ValueError:  # being written
        return {}
    return about if isinstance(about, dict) else {}


def _number(content: bytes, name: str) -> int:
    value = _about(content).get(name)
    return value if isinstance(value, int) else 0


@functools.cache
def _identity(pid: int) -> dict[str, Any]:
    """Of a process of this machine, among all that share a file system. By its number, which changes in a fork."""
    identity = {"host": platform.node(), "pid": pid, "started": _started(pid), "token": uuid.uuid4().hex}
    with contextlib.suppress(OSError):  # elsewhere than on Linux processes of this machine cannot be told either
        identity["boot"] = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        identity["processes"] = str(Path("/proc/self/ns/pid").readlink())
    return identity


def _started(pid: int) -> str | None:
    """When a process began, in the kernel's ticks; None where there is none, or it waits for its parent to bury it."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def _is_gone(content: bytes) -> bool | None:
    """Whether the holder's process has ended; None where that cannot be told, as of another machine's."""
    about, own = _about(content), _identity(os.getpid())
    if about == GIVEN_BACK:
        return True
    same = all(name in own and about.get(name) == own[name] for name in ("host", "boot", "processes"))
    if not same or not isinstance(about.get("pid"), int):
        return None
    return _started(about["pid"]) != about.get("started")


def _is_dead(path: Path, content: bytes, patience: float) -> bool:
    gone = _is_gone(content)
    if gone is not None:
        return gone
    with _seen_lock:
        known = _seen.get(path)
        if known is None or known[0] != content:
            _seen[path] = content, time.monotonic()
            return False
        return time.monotonic() - known[1] > patience


_seen: dict[Path, tuple[bytes, float]] = {}
"""What was read, and since when it has been so."""
_seen_lock = threading.Lock()


class _Renewer:
    """Renews all leases of this process, from a thread of its own."""

    def __init__(self) -> None:
        self._lock, self._changed = threading.Lock(), threading.Event()
        self._held: dict[Lease, tuple[float, float]] = {}
        """Seconds between renewals, and when the next one is due."""
        self._thread: threading.Thread | None = None

    def add(self, lease: Lease, pause: float) -> None:
        with self._lock:
            self._held[lease] = pause, time.monotonic() + pause
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name="leases")
                self._thread.start()
        self._changed.set()

    def remove(self, lease: Lease) -> None:
        with self._lock:  # not while it is renewed: its descriptor will be another file's
            del self._held[lease]

    def _run(self) -> None:
        count = 0
        while True:
            self._changed.clear()
            with self._lock:
                now = time.monotonic()
                for lease, (pause, due) in self._held.items():
                    if due <= now:
                        count += 1
                        self._held[lease] = pause, now + pause
                        with contextlib.suppress(OSError):
                            lease.renew(count)
                soonest = min((due for _, due in self._held.values()), default=now + PATIENCE)
            self._changed.wait(max(0.0, soonest - now))


_renewer = _Renewer()
os.register_at_fork(after_in_child=_renewer.__init__)  # type: ignore[misc]  # a fork holds nothing, and has no thread
