"""Secrets stay out of messages, records and checkouts."""

import json
from pathlib import Path

import pytest

from charachbench.commands import open_benchmark
from charachbench.errors import UserError, reason_for
from charachbench.generate import generate
from charachbench.secrecy import hidden, without_secrets
from charachbench.store import Store
from methods.external.recipe import Repository
from tests.fakes import settings

TOKEN = "tok3n-of-the-user"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"https://user:{TOKEN}@host.org/a.git failed", "https://host.org/a.git failed"),
        (f"https://{TOKEN}@host.org/a.git", "https://host.org/a.git"),
        (f"see /x?X-Amz-Signature={TOKEN}&part=1", "see /x?X-Amz-Signature=…&part=1"),
        ("ssh://git@host.org/a.git", "ssh://host.org/a.git"),
        ("git@host.org:a.git, me@mail.org", "git@host.org:a.git, me@mail.org"),
        ("https://host.org/@me/a", "https://host.org/@me/a"),
        ("no face in 16/48 frames", "no face in 16/48 frames"),
    ],
)
def test_passwords_in_addresses_go(text: str, told: str) -> None:
    assert hidden(text) == told


def test_what_the_environment_keeps_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", TOKEN)
    assert hidden(f"login with {TOKEN} failed") == "login with … failed"
    assert reason_for(RuntimeError(TOKEN)) == "RuntimeError: …"
    assert without_secrets({"api_key": "x", "a": [f"b {TOKEN}", 1], "monkey": "y"}) == {
        "api_key": "…", "a": ["b …", 1], "monkey": "y",
    }  # fmt: skip


def test_no_file_of_the_store_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)

    def fail(*_: object) -> None:
        raise RuntimeError(f"GET https://me:{TOKEN}@host.org failed")

    monkeypatch.setattr("tests.fakes.Roll.animate", fail)
    config = settings(tmp_path, method_weights=f"https://me:{TOKEN}@host.org/w")
    store = Store(tmp_path)
    outcome = generate(config, open_benchmark(config, store), store)
    assert len(outcome.failed) == 6
    texts = [path.read_text() for path in tmp_path.rglob("*") if path.is_file() and path.suffix == ".json"]
    assert len(texts) == 8
    assert not any(TOKEN in text for text in [*texts, json.dumps(outcome.failed)])


def test_a_recipe_holds_no_password() -> None:
    commit = "0" * 40
    with pytest.raises(UserError, match=r"url=https://host.org/a.git: holds a password; accepted is") as raised:
        Repository(f"https://me:{TOKEN}@host.org/a.git", commit)
    assert TOKEN not in str(raised.value)
    assert Repository("git@host.org:a.git", commit).url == "git@host.org:a.git"
