"""Networks of ``transformers`` and ``diffusers``: found by folder or by name, loaded, and known by their weights.

A network is named by a local folder or by its name on the Hugging Face hub. Nothing here runs code that comes with the
weights. The network is asked at most once, and only for what the local cache of the hub lacks.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from charachbench import keys
from charachbench.errors import UserError
from charachbench.weights import HUB, hub

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
Precision = Literal["auto", "fp32", "fp16", "bf16"]

_WEIGHTS = frozenset({".safetensors", ".bin", ".pt", ".pth", ".ckpt"})
_SETTINGS = frozenset({".json", ".txt", ".model"})
_TIMEOUT = 10  # seconds


def fingerprint(model: str, revision: str | None, setting: str) -> str:
    """Hash of the weights that ``load`` loads, without loading them and without the network.

    Args:
        model: a folder, or a name of the hub.
        revision: branch, tag or full commit on the hub; null for the commit that ``charachbench.weights`` registers if
            that is here, else for the main branch; a folder has none.
        setting: the name of ``model`` in the configuration, for messages.

    Returns:
        of a folder, sha256 of its files of weights and settings; of a name of the hub, the commit that is in the local
        cache, or ``revision`` where that is a full commit.

    Raises:
        UserError: there are no such weights on this machine.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        return _folder_digest(folder, f"{setting}={model}")
    commit = _cached_commit(model, revision)
    if commit is None:
        raise _missing(model, revision or hub.registered(model), setting)
    return commit


def load(loader: Callable[..., T], model: str, revision: str | None, setting: str, **options: Any) -> T:
    """Load something with a ``from_pretrained``, from the local cache if that has it, else from the hub.

    Args:
        loader: a ``from_pretrained`` of ``transformers`` or ``diffusers``.
        model: see ``fingerprint``.
        revision: see ``fingerprint``.
        setting: see ``fingerprint``.
        options: further arguments of ``loader``.

    Raises:
        UserError: it is not there and cannot be had, or cannot be loaded.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        return _loaded(loader, str(folder), setting, local_files_only=True, **options)
    commit, reason = _cached_commit(model, revision), None
    if commit is not None:
        try:
            return loader(model, revision=commit, local_files_only=True, **options)
        except (OSError, ValueError) as error:  # a file of it may not be in the cache
            reason = error
        except Exception as error:
            raise _unloadable(model, setting, error, **options) from error
    wanted = commit or revision or hub.registered(model)
    _ask_hub(model, wanted, setting, reason)
    return _loaded(loader, model, setting, revision=wanted, **options)


def load_network(
    loader: Callable[..., Any], model: str, revision: str | None, setting: str, strict: bool = False, **options: Any
) -> Any:
    """``load`` of a ``torch.nn.Module``, in evaluation mode and without gradients.

    All of its weights must be there; the libraries would make up at random what they miss, and go on.

    Args:
        loader: see ``load``.
        model: see ``load``.
        revision: see ``load``.
        setting: see ``load``.
        strict: refuse weights that hold more than the network, too; a part of a network would else pass for it.
        options: see ``load``.
    """
    with _quiet():
        network, found = load(loader, model, revision, setting, output_loading_info=True, **options)
    for kind, tensors in (
        ("lacks", found["missing_keys"]),
        ("has to spare", found["unexpected_keys"] if strict else []),
    ):
        if tensors:
            raise UserError(
                f"{setting}={model}: {kind} {len(tensors)} tensors of {type(network).__name__}, such as "
                f"{min(tensors)}; accepted are the whole weights of such a network, and nothing else"
            )
    return network.eval().requires_grad_(False)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Drop the libraries' long report of tensors that are missing, which is an error here, or not needed."""
    loggers = [logging.getLogger(name) for name in ("transformers", "diffusers")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def torch_dtype(precision: Precision, device: str) -> torch.dtype:
    """The type to compute in; ``auto`` is float16 on a GPU, float32 elsewhere."""
    import torch

    if precision == "auto":
        precision = "fp16" if torch.device(device).type == "cuda" else "fp32"
    return {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[precision]


def package_versions() -> dict[str, str]:
    """Versions of the packages that compute what a network gives, for fingerprints."""
    return {name: importlib.metadata.version(name) for name in ("diffusers", "torch", "transformers")}


@contextlib.contextmanager
def enough_memory(what: str, remedies: str) -> Iterator[None]:
    """Turn running out of GPU memory into advice.

    Args:
        what: is computed.
        remedies: what to turn down.

    Raises:
        UserError: the GPU's memory does not suffice.
    """
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise UserError(f"the GPU has too little free memory for {what}: turn down {remedies}") from error


def _loaded(loader: Callable[..., T], model: str, setting: str, **options: Any) -> T:
    try:
        return loader(model, **options)
    except Exception as error:
        raise _unloadable(model, setting, error, **options) from error


def _ask_hub(model: str, revision: str | None, setting: str, reason: Exception | None) -> None:
    """Fail unless the hub has it: a single question, as the loaders retry for half a minute without a network."""
    if not _is_name(model):
        raise _missing(model, revision, setting)
    from huggingface_hub import HfApi

    try:
        HfApi().model_info(model, revision=revision, timeout=_TIMEOUT)
    except Exception as error:
        raise _missing(model, revision, setting, reason or error) from error


def _cached_commit(model: str, revision: str | None) -> str | None:
    """The commit that a name of the hub means here; None where nothing of it is in the cache."""
    return hub.cached_commit(model, revision) if _is_name(model) else None


def _is_name(model: str) -> bool:
    """Whether it could be a name of the hub."""
    return re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", model) is not None


def _missing(model: str, revision: str | None, setting: str, reason: Exception | None = None) -> UserError:
    if not _is_name(model):
        return UserError(f"{setting}={model}: no such folder; accepted are a folder of weights or a name of the hub")
    because = f" ({_line(reason)})" if reason else ""
    return UserError(
        f"{setting}={model}: no such folder, and not all of it in the cache of the Hugging Face hub{because}; "
        f"{_remedy(model, revision)}, or set {setting}=DIR"
    )


def _remedy(model: str, revision: str | None) -> str:
    """How to get what a name of the hub means."""
    for name, entry in HUB.items():
        if model == entry.hub and revision in (None, entry.revision):
            terms = f"; {entry.terms}" if entry.terms else ""
            return (
                f"get it by 'charachbench weights weights.names=[{name}]', or all that these settings need by "
                f"'charachbench weights' with the same settings ({entry.licence}{terms})"
            )
    pinned = f" --revision {revision}" if revision else ""
    return f"get it by 'hf download {model}{pinned}' (formerly huggingface-cli download {model}{pinned})"


def _unloadable(
    model: str, setting: str, error: Exception, subfolder: str = "", variant: str | None = None, **_: Any
) -> UserError:
    part = f"{f' {subfolder}' if subfolder else ''}{f' with variant={variant}' if variant else ''}"
    return UserError(
        f"{setting}={model}:{part} cannot be loaded ({_line(error)}); get it again with 'hf download', or set "
        f"{setting}=DIR to a folder that holds weights, config and preprocessor of such a network"
    )


def _line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0].rstrip('.')}"


def _folder_digest(folder: Path, where: str) -> str:
    """sha256 of the names and bytes of a folder's files of weights and settings; hidden ones decide nothing."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in _WEIGHTS | _SETTINGS and path.is_file())
    names = {path: path.relative_to(folder) for path in paths}
    shown = [path for path in paths if not any(part.startswith(".") for part in names[path].parts)]
    if not any(path.suffix in _WEIGHTS for path in shown):
        raise UserError(f"{where}: the folder holds no weights; accepted are files {', '.join(sorted(_WEIGHTS))}")
    stats = {path: path.stat() for path in shown}
    return keys.digest(
        {names[path].as_posix(): _file_digest(path, stats[path].st_size, stats[path].st_mtime_ns) for path in shown}
    )


@functools.cache
def _file_digest(path: Path, size: int, changed: int) -> str:  # noqa: ARG001 - part of what is remembered
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
