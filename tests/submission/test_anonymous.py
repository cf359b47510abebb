"""What goes to others tells nothing of this machine, and everything else."""

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charachbench.submission.anonymous import anonymous, one_line


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/home/me/x/video.mkv: cannot be decoded", "…/video.mkv: cannot be decoded"),
        ("/home/me/secret plans/video one.mkv", "…/video one.mkv"),
        ("see (/data/x/y.pth) or '~/z/w.npy'", "see (…/y.pth) or '…/w.npy'"),
        ("root:/home/me/q", "root:…/q"),
        (r"C:\Users\me\x.pth is gone", "…/x.pth is gone"),
        ("file:///home/me/a.pth", "…/a.pth"),
        ("https://me:pass@host.org/a/b.git?token=3 failed", "https://host.org/a/b.git failed"),
        ("two\nlines \x1b[31m", "two lines �[31m"),
        ("no face in 16/48 frames, and/or 3 px/s", "no face in 16/48 frames, and/or 3 px/s"),
        ("metrics.landmarks.Nme", "metrics.landmarks.Nme"),
        ("openai/clip-vit", "openai/clip-vit"),
        ("", ""),
    ],
)
def test_paths_passwords_and_control_characters_go(text: str, told: str) -> None:
    assert anonymous(text) == told
    assert anonymous(told) == told


def test_secrets_go_by_the_name_of_their_setting_and_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefgh")
    monkeypatch.setenv("SHELL_THEME", "lucas_kanade")
    node = {"api_key": "k", "tokenizer": "clip", "args": ["--login=hf_abcdefgh", 1, None, {"tracker": "lucas_kanade"}]}
    assert anonymous(node) == {
        "api_key": "…", "tokenizer": "clip", "args": ["--login=…", 1, None, {"tracker": "lucas_kanade"}],
    }  # fmt: skip


FOLDERS = st.lists(st.text(string.ascii_letters + string.digits + "._-", min_size=1), min_size=1, max_size=4)


@given(FOLDERS.filter(lambda names: not set(names) & {".", ".."}), st.sampled_from(["", "cannot read ", "x='", "("]))
def test_no_absolute_path_is_left(names: list[str], before: str) -> None:
    path = "/" + "/".join(names)
    told = anonymous(f"{before}{path}")
    assert told == f"{before}…/{names[-1]}"


@given(st.text())
def test_a_line_is_printable_and_short(text: str) -> None:
    line = one_line(text, 50)
    assert line.isprintable()
    assert len(line) <= 50


def test_home_and_work_folder_go_with_the_spaces_in_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "John Smith"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    assert anonymous(f"{home}/my videos/a.mkv: is gone") == "…/my videos/a.mkv: is gone"
