"""What the cache of the Hugging Face hub on this machine holds; asks no network."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path

from charachbench.weights.registry import HUB, Repository


def cache(model: str) -> Path:
    """The folder of a repository in the cache."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=model, repo_type="model")


def is_commit(revision: str | None) -> bool:
    """Whether it is a full commit, which always means the same files."""
    return revision is not None and re.fullmatch("[0-9a-f]{40}", revision) is not None


def registered(model: str) -> str | None:
    """The commit that the registry pins for a name of the hub, None where it has none."""
    return next((entry.revision for entry in HUB.values() if model in (entry.hub, *entry.withdrawn)), None)


def cached_commit(model: str, revision: str | None) -> str | None:
    """The commit that a name of the hub means here, None where nothing of it is in the cache.

    A full commit is itself; without a revision it is the registered one if that is here, else the cached main branch.
    """
    if is_commit(revision):
        return revision
    pinned = registered(model) if revision is None else None
    if pinned and (cache(model) / "snapshots" / pinned).is_dir():
        return pinned
    reference = cache(model) / "refs" / (revision or "main")
    commit = reference.read_text().strip() if reference.is_file() else ""
    return commit if commit and (cache(model) / "snapshots" / commit).is_dir() else None


def place(entry: Repository, model: str, revision: str | None, folder: Path | None = None) -> Path:
    """Where the files of a repository are, or would be: ``folder``, else the entry's own, else the cache."""
    if folder is not None or entry.folder is not None:
        return folder or Path(str(entry.folder))
    return cache(model) / "snapshots" / (cached_commit(model, revision) or revision or "main")


def files(entry: Repository, folder: Path) -> list[Path]:
    """What a folder holds of the files that an entry needs."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path: path.relative_to(folder).as_posix() for path in paths}
    return [path for path in paths if any(fnmatch.fnmatchcase(names[path], pattern) for pattern in entry.files)]


def snapshot(entry: Repository, model: str, revision: str | None, folder: Path | None = None) -> Path | None:
    """The folder with the files of a repository, None unless every pattern is met and no download was cut off."""
    at = place(entry, model, revision, folder)
    names = [path.relative_to(at).as_posix() for path in files(entry, at)] if at.is_dir() else []
    if not all(fnmatch.filter(names, pattern) for pattern in entry.files):
        return None
    in_cache = folder is None and entry.folder is None
    parts = (cache(model) / "blobs") if in_cache else at / ".cache" / "huggingface" / "download"
    return None if any(parts.rglob("*.incomplete")) else at
