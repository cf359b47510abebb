"""Loading of checkpoints in the layout of the public ones, and random networks."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from charachbench.errors import UserError
from methods.animators.mofa.networks import Parts, Random, Trained


@pytest.fixture(scope="module")
def made() -> Parts:
    return Random().load(torch.float32)


@pytest.fixture(scope="module")
def checkpoints(made: Parts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny networks, in files as the public ones are."""
    root = tmp_path_factory.mktemp("checkpoints")
    for name in ("image_encoder", "vae", "unet"):
        getattr(made, name).save_pretrained(root / "svd" / name, variant="fp16")
    made.scheduler.save_pretrained(root / "svd" / "scheduler")
    made.controlnet.save_pretrained(root / "mofa" / Trained.FOLDER)
    state = {f"module.{name}": tensor for name, tensor in made.cmp.state_dict().items() if "num_batches" not in name}
    torch.save({"step": 42000, "state_dict": state, "optimizer": {"state": {}, "param_groups": []}}, root / "cmp.tar")
    return root


def trained(root: Path, **settings: Any) -> Trained:
    given = {"model": str(root / "mofa"), "video_model": str(root / "svd"), "cmp_weights": str(root / "cmp.tar")}
    return Trained(**{**given, **settings})


def states(parts: Parts) -> dict[str, torch.Tensor]:
    return {
        f"{part}.{name}": tensor
        for part in ("image_encoder", "vae", "unet", "controlnet", "cmp")
        for name, tensor in getattr(parts, part).state_dict().items()
        if "num_batches" not in name
    }


def test_checkpoints_come_back_as_they_were_written(made: Parts, checkpoints: Path) -> None:
    loaded = trained(checkpoints).load(torch.float32)
    wanted, got = states(made), states(loaded)
    assert got.keys() == wanted.keys()
    assert [name for name, tensor in wanted.items() if not torch.equal(tensor, got[name])] == []
    assert loaded.scheduler.config["sigma_max"] == 700.0
    assert loaded.scheduler.config["timestep_type"] == "continuous"
    for network in (loaded.unet, loaded.controlnet, loaded.cmp):
        assert not network.training
        assert not any(parameter.requires_grad for parameter in network.parameters())


def test_all_but_cmp_has_the_type_that_is_asked_for(checkpoints: Path) -> None:
    loaded = trained(checkpoints, model=str(checkpoints / "mofa" / Trained.FOLDER)).load(torch.bfloat16)
    types = {name: tensor.dtype for name, tensor in states(loaded).items() if tensor.is_floating_point()}
    assert {dtype for name, dtype in types.items() if name.startswith("cmp.")} == {torch.float32}
    assert {dtype for name, dtype in types.items() if not name.startswith("cmp.")} == {torch.bfloat16}


def test_the_fingerprint_is_of_the_weights(checkpoints: Path, tmp_path: Path) -> None:
    before = trained(checkpoints).fingerprint()
    assert trained(checkpoints).fingerprint() == before
    other = tmp_path / "cmp.tar"
    torch.save({"state_dict": {}}, other)
    assert trained(checkpoints, cmp_weights=str(other)).fingerprint() != before


def copied(source: Path, folder: Path, change: Any) -> Path:
    """A ControlNet whose tensors are changed."""
    folder.mkdir()
    state = load_file(source / "diffusion_pytorch_model.safetensors")
    change(state)
    save_file(state, folder / "diffusion_pytorch_model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text((source / "config.json").read_text())
    return folder


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("conv_in.weight"), r"lacks 1 tensors of FlowControlNet, such as conv_in\.weight"),
        (lambda state: state.update(extra=torch.zeros(1)), "has to spare 1 tensors of FlowControlNet, such as extra"),
        (lambda state: state.update({"conv_in.weight": torch.zeros(1, 2)}), r"cannot be loaded"),
    ],
)
def test_other_weights_are_refused(checkpoints: Path, tmp_path: Path, change: Any, message: str) -> None:
    folder = copied(checkpoints / "mofa" / Trained.FOLDER, tmp_path / "changed", change)
    with pytest.raises(UserError, match=rf"animator\.networks\.model=.*{message}"):
        trained(checkpoints, model=str(folder)).load(torch.float32)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("model", r"animator\.networks\.model=.*no such folder"),
        ("video_model", r"animator\.networks\.video_model=.*no such folder"),
        ("cmp_weights", "no such file"),
    ],
)
def test_missing_weights_are_told_before_anything_is_loaded(checkpoints: Path, setting: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        trained(checkpoints, **{setting: str(checkpoints / "nowhere")}).fingerprint()


def test_cmp_is_missed_before_there_is_a_row(
    checkpoints: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("charachbench.weights.folders", lambda: [tmp_path])
    with pytest.raises(UserError, match="weights 'cmp' not found"):
        trained(checkpoints, cmp_weights="cmp").fingerprint()


def test_the_public_names_say_where_to_get_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match=r"charachbench weights weights\.names=\[mofa_video\]"):
        Trained().fingerprint()


def test_random_networks_are_the_same_everywhere(made: Parts) -> None:
    torch.manual_seed(1)  # which must not matter
    first, again = states(made), states(Random().load(torch.float32))
    assert [name for name, tensor in first.items() if not torch.equal(tensor, again[name])] == []
    assert not torch.equal(Random(seed=1).load(torch.float32).unet.conv_in.weight, made.unet.conv_in.weight)


def test_scales_are_checked() -> None:
    with pytest.raises(UserError, match=r"animator\.networks\.scale=huge: accepted are tiny, full"):
        Random(scale="huge")  # type: ignore[arg-type]


def test_the_checkpoints_config_is_ours(checkpoints: Path) -> None:
    config = json.loads((checkpoints / "mofa" / Trained.FOLDER / "config.json").read_text())
    assert config["_class_name"] == "FlowControlNet"
    assert {"num_attention_heads", "block_out_channels", "conditioning_embedding_out_channels"} <= config.keys()
