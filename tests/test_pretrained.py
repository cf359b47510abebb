import logging
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest

from charachbench import pretrained
from charachbench.errors import UserError

COMMIT, OTHER = "0123456789" * 4, "a" * 40


def folder(path: Path, weights: bytes = b"weights") -> Path:
    path.mkdir(parents=True)
    (path / "model.safetensors").write_bytes(weights)
    (path / "config.json").write_text("{}")
    return path


def cached(cache: Path, commit: str = COMMIT, reference: str = "main") -> Path:
    """A commit of someone/thing in the layout of the hub's cache."""
    repository = cache / "models--someone--thing"
    (repository / "refs").mkdir(parents=True, exist_ok=True)
    (repository / "refs" / reference).write_text(commit)
    return folder(repository / "snapshots" / commit)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub, and no network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    answer(monkeypatch, OSError("Name or service not known\nand more"))
    return tmp_path / "hub"


def answer(monkeypatch: pytest.MonkeyPatch, error: Exception | None) -> list[str | None]:
    """Make the hub answer so; returns the revisions that it is asked for."""
    asked: list[str | None] = []

    def model_info(self: object, repo_id: str, *, revision: str | None = None, timeout: float | None = None) -> None:
        asked.append(revision)
        assert timeout is not None
        if error is not None:
            raise error

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    return asked


class Loader:
    """A ``from_pretrained`` that notes how it is called; from the cache alone it raises ``local``."""

    def __init__(self, local: Exception | None = None, network: Exception | None = None) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.local, self.network = local, network

    def __call__(self, model: str, **options: Any) -> str:
        self.calls.append((model, options))
        error = self.local if options.get("local_files_only") else self.network
        if error is not None:
            raise error
        return "loaded"


def test_a_folder_is_known_by_its_weights_and_settings(tmp_path: Path) -> None:
    def fingerprint(name: str) -> str:
        return pretrained.fingerprint(str(tmp_path / name), None, "x.model")

    first = folder(tmp_path / "first")
    folder(tmp_path / "copy")
    folder(tmp_path / "other", b"weight5")
    before = fingerprint("first")
    assert fingerprint("copy") == before != fingerprint("other")
    (first / "README.md").write_text("decides nothing")
    (first / ".cache").mkdir()
    (first / ".cache" / "notes.json").write_text("nor does this")
    assert fingerprint("first") == before
    folder(first / "vae")
    within = fingerprint("first")
    (first / "config.json").write_text('{"changed": true}')
    assert len({before, within, fingerprint("first")}) == 3


def test_a_folder_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder(tmp_path / "once")
    first = pretrained.fingerprint(str(path), None, "x.model")
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("read again"))
    assert pretrained.fingerprint(str(path), None, "x.model") == first


def test_a_name_is_known_by_its_commit(cache: Path) -> None:
    cached(cache)
    cached(cache, OTHER, "v2")
    assert pretrained.fingerprint("someone/thing", None, "x.model") == COMMIT
    assert pretrained.fingerprint("someone/thing", "v2", "x.model") == OTHER
    assert pretrained.fingerprint("no/where", OTHER, "x.model") == OTHER


def test_a_folder_is_loaded_without_the_network(tmp_path: Path) -> None:
    path, loader = folder(tmp_path / "here"), Loader()
    assert pretrained.load(loader, str(path), None, "x.model", subfolder="unet") == "loaded"
    assert loader.calls == [(str(path), {"local_files_only": True, "subfolder": "unet"})]


def test_the_cache_comes_before_the_network(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached(cache)
    asked, loader = answer(monkeypatch, None), Loader()
    pretrained.load(loader, "someone/thing", None, "x.model")
    assert loader.calls == [("someone/thing", {"revision": COMMIT, "local_files_only": True})]
    assert asked == []


def test_an_incomplete_cache_is_completed_with_the_same_commit(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached(cache)
    asked, loader = answer(monkeypatch, None), Loader(local=OSError("no model.safetensors"))
    pretrained.load(loader, "someone/thing", None, "x.model")
    assert [options for _, options in loader.calls] == [
        {"revision": COMMIT, "local_files_only": True},
        {"revision": COMMIT},
    ]
    assert asked == [COMMIT]


def test_what_is_not_cached_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, loader = answer(monkeypatch, None), Loader()
    assert pretrained.load(loader, "someone/thing", "v2", "x.model") == "loaded"
    assert loader.calls == [("someone/thing", {"revision": "v2"})]
    assert asked == ["v2"]


def test_without_a_network_the_loader_never_tries_it(cache: Path) -> None:
    missing, incomplete = Loader(), Loader(local=OSError("no model.safetensors."))
    with pytest.raises(UserError) as error:
        pretrained.load(missing, "someone/thing", "v2", "x.model")
    assert missing.calls == []
    assert str(error.value) == (
        "x.model=someone/thing: no such folder, and not all of it in the cache of the Hugging Face hub "
        "(OSError: Name or service not known); get it by 'hf download someone/thing --revision v2' "
        "(formerly huggingface-cli download someone/thing --revision v2), or set x.model=DIR"
    )
    cached(cache)
    with pytest.raises(UserError, match=r"\(OSError: no model.safetensors\); get it by 'hf download someone/thing"):
        pretrained.load(incomplete, "someone/thing", None, "x.model")
    assert [options["local_files_only"] for _, options in incomplete.calls] == [True]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("someone/thing", r"x\.model=someone/thing: no such folder, .* huggingface-cli download someone/thing\)"),
        ("/not/a/folder", r"x\.model=/not/a/folder: no such folder; accepted are a folder of weights or a name"),
        ("a/b/c", r"x\.model=a/b/c: no such folder; accepted"),
    ],
)
def test_missing_weights_have_no_fingerprint(model: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        pretrained.fingerprint(model, None, "x.model")
    with pytest.raises(UserError, match=r"x\.model=.*: no such folder"):
        pretrained.load(Loader(), model, None, "x.model")


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"the folder holds no weights; accepted are files \.bin"):
        pretrained.fingerprint(str(tmp_path), None, "x.model")


def test_what_cannot_be_loaded_says_so(tmp_path: Path, cache: Path) -> None:
    path = folder(tmp_path / "broken")
    with pytest.raises(UserError, match=r"broken: cannot be loaded \(OSError: not JSON\)"):
        pretrained.load(Loader(local=OSError("not JSON\nat all")), str(path), None, "x.model")
    cached(cache)
    with pytest.raises(UserError, match=r"x\.model=someone/thing: cannot be loaded \(ImportError: needs timm\)"):
        pretrained.load(Loader(local=ImportError("needs timm")), "someone/thing", None, "x.model")


def test_a_network_is_whole_and_only_for_use(tmp_path: Path) -> None:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    sizes: dict[str, Any] = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    made = CLIPVisionModelWithProjection(CLIPVisionConfig(**sizes, image_size=16, patch_size=8, projection_dim=4))
    made.save_pretrained(tmp_path / "whole")
    level = logging.getLogger("transformers").level

    def load(name: str) -> CLIPVisionModelWithProjection:
        source = (str(tmp_path / name), None, "x.model")
        network: CLIPVisionModelWithProjection = pretrained.load_network(
            CLIPVisionModelWithProjection.from_pretrained, *source
        )
        return network

    loaded = load("whole")
    for name, tensor in made.state_dict().items():
        assert np.array_equal(loaded.state_dict()[name].numpy(), tensor.numpy())
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())

    del made.visual_projection
    made.save_pretrained(tmp_path / "lacking")
    with pytest.raises(UserError, match=r"lacks 1 tensors of CLIPVision\w+, such as visual_projection\.weight"):
        load("lacking")
    assert logging.getLogger("transformers").level == level


def test_broken_weights_are_refused(tmp_path: Path) -> None:
    from transformers import CLIPVisionModelWithProjection

    path = folder(tmp_path / "broken")
    (path / "config.json").write_text('{"model_type": "clip_vision_model"}')
    with pytest.raises(UserError, match=r"x\.model=.*broken: cannot be loaded"):
        pretrained.load_network(CLIPVisionModelWithProjection.from_pretrained, str(path), None, "x.model")
