"""Weights in one tar, for machines without a network: ``manifest.json``, then the files."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any

from charachbench import weights
from charachbench.errors import UserError
from charachbench.untrusted import parse_json
from charachbench.weights import hub

MANIFEST = "manifest.json"
_CHUNK = 1 << 20
_LARGEST_MANIFEST = 10_000_000  # bytes


def export(names: Sequence[str], path: Path) -> tuple[list[str], list[str]]:
    """Write what is on this machine of some entries.

    Args:
        names: keys of ``REGISTRY`` and ``HUB``.
        path: of the tar; an older one is replaced once the new one is whole.

    Returns:
        names that are in it; why others are not, a sentence each.

    Raises:
        UserError: the tar cannot be written.
    """
    entries: list[dict[str, Any]] = []
    members: dict[str, Path] = {}
    reasons = []
    for name in names:
        try:
            found = weights.locate(name)
        except UserError as error:
            reasons.append(str(error))
            continue
        commit = hub.cached_commit(weights.HUB[name].hub, None) if name in weights.HUB else None
        if name in weights.HUB and weights.HUB[name].revision not in (None, commit):
            reasons.append(f"{name}: commit {commit} is here, registered is {weights.HUB[name].revision}")
            continue
        paths = hub.files(weights.HUB[name], found) if name in weights.HUB else [found]
        inside = {
            f"{name}/{file.relative_to(found).as_posix() if found.is_dir() else file.name}": file for file in paths
        }
        members |= inside
        entries.append(
            {
                "name": name,
                "licence": (weights.HUB.get(name) or weights.REGISTRY[name]).licence,
                "revision": commit,
                "files": [
                    {"path": member, "sha256": weights.sha256(file), "size": file.stat().st_size}
                    for member, file in inside.items()
                ],
            }
        )
    text = json.dumps({"format": 1, "weights": entries}, indent=1).encode()
    aside = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(aside, "w") as tar:
            tar.addfile(_member(MANIFEST, len(text)), io.BytesIO(text))
            for member, file in members.items():
                with file.open("rb") as stream:
                    tar.addfile(_member(member, file.stat().st_size), stream)
        aside.replace(path)
    except OSError as error:
        raise UserError(f"weights.export={path}: cannot be written ({error.strerror or error})") from error
    return [entry["name"] for entry in entries], reasons


def _member(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    return info


def install(path: Path) -> tuple[list[str], list[str]]:
    """Put the weights of a bundle where they are looked for, each file checked before it gets its name.

    Only what the manifest names is read, and only under names of the registry; nothing is unpacked by the paths in the
    tar. Hashes of the registry decide over those of the manifest, which count where it has none.

    Args:
        path: a tar that ``export`` made.

    Returns:
        names that are installed; why others are not, a sentence each.

    Raises:
        UserError: it cannot be read, or is not such a tar.
    """
    where = f"weights.install={path}"
    try:
        with tarfile.open(path, "r:") as tar:
            members = {member.name: member for member in tar.getmembers()}
            manifest = _manifest(tar, members, where)
            done, reasons = [], []
            for entry in manifest:
                try:
                    _install(tar, members, entry)
                except (KeyError, TypeError, ValueError, OSError, tarfile.TarError) as error:
                    reasons.append(f"{where}: '{entry.get('name')}' is not installed ({_line(error)})")
                else:
                    done.append(str(entry["name"]))
            return done, reasons
    except (OSError, ValueError, EOFError, OverflowError, tarfile.TarError) as error:
        raise UserError(f"{where}: cannot be read ({_line(error)}); accepted is a tar of weights.export") from error


def _line(error: Exception) -> str:
    return f"no {error}" if isinstance(error, KeyError) else str(error)


def _manifest(tar: tarfile.TarFile, members: dict[str, tarfile.TarInfo], where: str) -> list[dict[str, Any]]:
    try:
        member = members[MANIFEST]
        if not member.isreg() or member.size > _LARGEST_MANIFEST:
            raise ValueError
        manifest = parse_json(_open(tar, member).read(), where)
        entries = manifest["weights"]
        if manifest["format"] != 1 or not all(isinstance(entry, dict) for entry in entries):
            raise ValueError
    except (KeyError, TypeError, ValueError, UserError) as error:
        raise UserError(f"{where}: has no {MANIFEST} of weights.export; accepted is a tar that it made") from error
    return list(entries)


def _install(tar: tarfile.TarFile, members: dict[str, tarfile.TarInfo], entry: dict[str, Any]) -> None:
    name = entry["name"]
    if name in weights.REGISTRY:
        registered = weights.REGISTRY[name]
        (file,) = entry["files"]
        if registered.size not in (None, members[file["path"]].size):
            raise ValueError(f"{file['path']} has another size")
        sha256 = registered.sha256 or file["sha256"]
        _extract(tar, members[file["path"]], sha256, weights.folders()[0] / registered.file)
        return
    if name not in weights.HUB:
        raise ValueError("not registered here")
    repository, revision = weights.HUB[name], entry["revision"]
    if repository.folder is None and not hub.is_commit(revision):
        raise ValueError(f"revision {revision!r} is not a full commit")
    if repository.revision is not None and revision != repository.revision:
        raise ValueError(f"revision {revision!r} is not the registered one")
    root = hub.place(repository, repository.hub, revision)
    targets = {file["path"]: _below(root, PurePosixPath(file["path"]), name) for file in entry["files"]}
    for file in entry["files"]:
        tarfile.data_filter(members[file["path"]], str(root))  # no links, devices, or ways out
        _extract(tar, members[file["path"]], file["sha256"], targets[file["path"]])
    if hub.snapshot(repository, repository.hub, revision) is None:
        raise ValueError(f"it lacks some of {', '.join(repository.files)}")
    if repository.folder is None and repository.revision is None:  # then it is looked up as the main branch
        reference = hub.cache(repository.hub) / "refs" / "main"
        reference.parent.mkdir(parents=True, exist_ok=True)
        reference.write_text(revision)


def _below(root: Path, member: PurePosixPath, name: str) -> Path:
    """Where a member goes: below ``root``, whatever it is called."""
    first, *rest = member.parts
    if first != name or not rest or any(part in ("..", ".") or "\\" in part or ":" in part for part in rest):
        raise ValueError(f"{member} does not belong there")
    return root.joinpath(*rest)


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, sha256: str, target: Path) -> None:
    if not member.isreg():
        raise ValueError(f"{member.name} is not a file")
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f"{target.name}.{os.getpid()}.part")
    digest = hashlib.sha256()
    try:
        with _open(tar, member) as source, aside.open("wb") as stream:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                stream.write(chunk)
        if digest.hexdigest() != sha256:
            raise ValueError(
                f"{member.name} has another hash, {digest.hexdigest()[:12]}... in place of {sha256[:12]}..."
            )
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)


def _open(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    stream = tar.extractfile(member)
    if stream is None:
        raise ValueError(f"{member.name} is not a file")
    return stream
