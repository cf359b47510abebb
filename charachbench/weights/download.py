"""Getting weights: files over HTTP, continued where they were cut off, and repositories of the Hugging Face hub."""

from __future__ import annotations

import http.client
import logging
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from charachbench import __version__, weights
from charachbench.progress import terminal
from charachbench.secrecy import hidden
from charachbench.weights.registry import Repository, Weights

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

log = logging.getLogger(__name__)

TIMEOUT = 10.0  # seconds without an answer
_CHUNK = 1 << 20


class DownloadError(Exception):
    """Why a source did not give what was asked for, in one line."""


class Downloader:
    """Gets weights; a host that cannot be reached is asked once.

    Args:
        timeout: seconds to wait for a host.
    """

    def __init__(self, timeout: float = TIMEOUT) -> None:
        self.timeout = timeout
        self._unreachable: dict[str, str] = {}

    def file(self, entry: Weights, folder: Path) -> Path:
        """Get a file from the first source that has the right one.

        What a broken transfer leaves is kept as ``FILE.part``, and continued by the next; a whole file with another
        hash is set aside as ``FILE.wrong``. ``FILE`` itself is only ever the right one, as far as that can be told.

        Raises:
            DownloadError: no source gave it.
        """
        import filelock

        target = folder / entry.file
        reasons = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(folder / f".{entry.file}.lock"), _progress() as progress:
                if target.is_file() and not weights.wrong(entry, target):  # somebody else got it meanwhile
                    return target
                task = progress.add_task(entry.file, total=entry.size)
                for source in entry.sources:
                    try:
                        self._from(source, entry, target, progress, task)
                    except DownloadError as error:
                        reasons.append(str(error))
                    else:
                        return target
        except OSError as error:
            reasons.append(f"{folder} cannot be written ({error.strerror or error})")
        raise DownloadError("; ".join(dict.fromkeys(reasons)))

    def _from(self, source: str, entry: Weights, target: Path, progress: Progress, task: TaskID) -> None:
        part = target.with_name(f"{entry.file}.part")
        while True:
            continued = part.is_file() and part.stat().st_size > 0
            self._transfer(source, part, progress, task)
            why = weights.wrong(entry, part)
            if not why:
                part.replace(target)
                if entry.sha256 is None:
                    log.info("%s: sha256 %s, not verified: none is registered", target, weights.sha256(target))
                return
            part.replace(wrong := target.with_name(f"{entry.file}.wrong"))
            if not continued:  # else what was there already may have been at fault
                raise DownloadError(f"{source} gave another file ({why}), kept as {wrong}")

    def _transfer(self, source: str, part: Path, progress: Progress, task: TaskID) -> None:
        """Append to ``part`` what it lacks of the source."""
        have = part.stat().st_size if part.is_file() else 0
        headers = {"User-Agent": f"charachbench/{__version__}", "Accept-Encoding": "identity"}
        request = urllib.request.Request(source, headers=headers | ({"Range": f"bytes={have}-"} if have else {}))
        host = urlsplit(source).netloc
        with self._reaching(host, source):
            try:
                response = urllib.request.urlopen(request, timeout=self.timeout)
            except urllib.error.HTTPError as error:
                if error.code == 416 and have:  # nothing is left to get
                    return
                raise
        if response.status != 206 or not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            have = 0  # the whole file
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        progress.update(task, completed=have, total=total)
        with response, part.open("ab" if have else "wb") as stream:
            while True:
                with self._reaching(host, source):
                    chunk = response.read(_CHUNK)
                if not chunk:
                    break
                stream.write(chunk)
                progress.update(task, advance=len(chunk))
        if total is not None and (got := part.stat().st_size) < total:
            raise DownloadError(f"{source} broke off after {got} of {total} bytes; the next attempt goes on from there")

    @contextmanager
    def _reaching(self, host: str, source: str) -> Iterator[None]:
        """Tell why a source fails, and remember hosts that cannot be reached."""
        if host in self._unreachable:
            raise DownloadError(self._unreachable[host])
        try:
            yield
        except urllib.error.HTTPError as error:
            raise DownloadError(f"{source} answered {error.code} {error.reason}") from error
        except urllib.error.URLError as error:
            self._unreachable[host] = f"{host} cannot be reached ({error.reason})"
            raise DownloadError(self._unreachable[host]) from error
        except (http.client.HTTPException, OSError) as error:
            raise DownloadError(
                f"{source} broke off ({type(error).__name__}); the next attempt goes on from there"
            ) from error

    def repository(self, entry: Repository, model: str, revision: str | None, folder: Path | None = None) -> None:
        """Get what is needed of a repository into the cache of the hub, or into a folder.

        Raises:
            DownloadError: the hub does not give it.
        """
        import huggingface_hub
        from huggingface_hub.errors import GatedRepoError, HfHubHTTPError

        host = urlsplit(hidden(huggingface_hub.constants.ENDPOINT)).netloc
        if host in self._unreachable:
            raise DownloadError(self._unreachable[host])
        into = folder or (Path(entry.folder) if entry.folder else None)
        try:
            # asked first: the library tries again and again where there is no network
            huggingface_hub.HfApi().model_info(model, revision=revision, timeout=self.timeout)
            huggingface_hub.snapshot_download(
                model, revision=revision, allow_patterns=list(entry.files), etag_timeout=self.timeout, local_dir=into
            )
        except GatedRepoError as error:
            raise DownloadError(f"{model} is given out on terms: {entry.terms or 'see its page on the hub'}") from error
        except HfHubHTTPError as error:
            status = error.response.status_code if error.response is not None else "an error"
            raise DownloadError(f"{host} answered {status} for {model}") from error
        except Exception as error:  # of whichever HTTP library the hub's uses
            reason = hidden((str(error).strip().splitlines() or [""])[0])
            self._unreachable[host] = f"{host} cannot be reached ({type(error).__name__}: {reason})"
            raise DownloadError(self._unreachable[host]) from error


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar with size and speed where somebody looks at a terminal."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    console = terminal()
    with Progress(*columns, console=console, transient=True, disable=console is None) as progress:
        yield progress
