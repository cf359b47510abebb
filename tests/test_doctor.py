"""What `charachbench doctor` reports."""

import sys

import pytest

from charachbench import sweep
from charachbench.app import main
from charachbench.commands import doctor
from charachbench.config import Config
from charachbench.weights.registry import HUB, REGISTRY

SECRET = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """One without weights, a key of W&B, or a network."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "250")
    for name in ("CHARACBENCH_WEIGHTS", "WANDB_API_KEY", "WANDB_BASE_URL", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("urllib.request.urlopen", None)  # asking the network would fail
    return tmp_path


def test_every_entry_has_its_line(machine, capsys):
    (machine / ".cache" / "charachbench").mkdir(parents=True)
    (machine / ".cache" / "charachbench" / "alexnet-owt-7be5be79.pth").write_bytes(b"another")
    (machine / ".cache" / "charachbench" / "vox.pt").write_bytes(b"of no known hash")
    assert doctor.execute(Config(results=str(machine / "results"))) == []
    lines = capsys.readouterr().out.splitlines()
    for name in (*REGISTRY, *HUB):
        (line,) = [line for line in lines if line.split()[:1] == [name]]
        assert {"alexnet": "wrong hash", "lia_vox": "not verified"}.get(name, "missing") in line
    text = "\n".join(lines)
    assert text.count("to get by hand") == sum(entry.manual for entry in REGISTRY.values()) - 1
    assert all(entry.licence in text and entry.purpose in text for entry in (*REGISTRY.values(), *HUB.values()))
    for expected in (
        "Python",
        "torch",
        "usable by this process",
        "libx264rgb",
        "free",
        "charachbench[iqa]",
        "weights.names=[NAME",
    ):
        assert expected in text
    assert not (machine / "results").exists()


@pytest.mark.parametrize("where", ["variable", "netrc"])
def test_a_key_is_noticed_and_not_shown(machine, capsys, monkeypatch, where):
    doctor.execute(Config())
    assert "not logged in" in capsys.readouterr().out
    if where == "variable":
        monkeypatch.setenv("WANDB_API_KEY", SECRET)
    else:
        (machine / ".netrc").write_text(f"machine api.wandb.ai\n  login user\n  password {SECRET}\n")
        (machine / ".netrc").chmod(0o600)
    doctor.execute(Config())
    text = capsys.readouterr().out
    assert "not logged in" not in text
    assert "logged in" in text
    assert SECRET[:8] not in text


def test_a_broken_codec_is_a_failure(machine, capsys, monkeypatch):
    monkeypatch.setattr(doctor, "CODECS", doctor.CODECS | {"libx264": ("no such pixels", "mp4", "previews")})
    (failure,) = doctor.execute(Config())
    assert failure.startswith("codec libx264: cannot encode (")


def test_codecs_are_tried():
    assert doctor.encode_error("libx264rgb") == ""


@pytest.mark.parametrize(
    ("size", "text"),
    [(None, "?"), (0, "0 B"), (999, "999 B"), (3_758_596, "3.8 MB"), (95_628_359, "95.6 MB"), (2e14, "200 TB")],
)
def test_sizes(size, text):
    assert doctor.readable(size) == text


def test_on_the_command_line(machine, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["charachbench", "doctor", f"results={machine / 'results'}"])
    monkeypatch.setattr(sweep, "failures", [])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    assert "inception_2015" in capsys.readouterr().out
    assert [path.name for path in (machine / "results").iterdir()] == ["logs"]  # no store
