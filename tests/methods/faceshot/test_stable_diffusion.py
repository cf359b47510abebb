"""Against unmodified diffusers, with tiny networks of random weights in diffusers' own layout on disk."""

import copy
import functools
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charachbench.errors import UserError
from methods.faceshot.features.stable_diffusion import Dift, FaceShotSD

torch = pytest.importorskip("torch")

SIZE, WIDTH, GUIDE = 64, 16, 12  # pixels; channels of the text; channels of a guide
CHANNELS = (8, 16, 16, 16)
PROMPT = "a photo of a face"


def images(count: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (SIZE, SIZE, 3), np.uint8) for _ in range(count)]


def guides(count: int = 3) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(count, GUIDE)).astype(np.float32)


def write_tokenizer(folder: Path) -> int:
    """A CLIP tokenizer that knows single letters; returns how many tokens it has."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    tokens = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    settings = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": 77,
        "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return len(tokens)


def write_model(folder: Path, prediction: str = "epsilon") -> Path:
    """A whole Stable Diffusion, tiny."""
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    count = write_tokenizer(folder / "tokenizer")
    unet: Any = UNet2DConditionModel(
        sample_size=SIZE // 8,
        block_out_channels=CHANNELS,
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=4,
        cross_attention_dim=WIDTH,
    )
    vae: Any = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8,) * 4,
        latent_channels=4,
        norm_num_groups=4,
        scaling_factor=0.7,
    )
    text = CLIPTextConfig(
        vocab_size=count,
        hidden_size=WIDTH,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=77,
        bos_token_id=count - 2,
        eos_token_id=count - 1,
    )
    scheduler: Any = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type=prediction,
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )
    parts = {"unet": unet, "vae": vae, "text_encoder": CLIPTextModel(text), "scheduler": scheduler}
    for name, part in parts.items():
        part.save_pretrained(folder / name)
    classes = {
        "unet": ("diffusers", "UNet2DConditionModel"),
        "vae": ("diffusers", "AutoencoderKL"),
        "text_encoder": ("transformers", "CLIPTextModel"),
        "tokenizer": ("transformers", "CLIPTokenizer"),
        "scheduler": ("diffusers", "DDIMScheduler"),
        "safety_checker": (None, None),
        "feature_extractor": (None, None),
    }
    index = {"_class_name": "StableDiffusionPipeline", "requires_safety_checker": False, **classes}
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def write_ip_adapter(folder: Path, model: Path) -> Path:
    """A plain IP-Adapter for the model, in the published layout: odd numbers are the U-Net's cross-attentions."""
    from diffusers import UNet2DConditionModel
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(0)
    tensors = {
        "image_proj.proj.weight": torch.randn(4 * WIDTH, GUIDE, generator=generator),
        "image_proj.proj.bias": torch.randn(4 * WIDTH, generator=generator),
        "image_proj.norm.weight": torch.ones(WIDTH),
        "image_proj.norm.bias": torch.zeros(WIDTH),
    }
    unet = UNet2DConditionModel.from_pretrained(model, subfolder="unet", low_cpu_mem_usage=False)
    for number, name in enumerate(unet.attn_processors):
        if name.endswith("attn2.processor"):
            width = unet.get_submodule(name.removesuffix(".processor")).to_q.out_features
            for matrix in ("to_k_ip", "to_v_ip"):
                tensors[f"ip_adapter.{number}.{matrix}.weight"] = torch.randn(width, WIDTH, generator=generator)
    (folder / "models").mkdir(parents=True)
    save_file(tensors, folder / "models" / "ip-adapter_sd15.safetensors")
    return folder


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("stable_diffusion") / "model")


@pytest.fixture(scope="session")
def adapter(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Path:
    return write_ip_adapter(tmp_path_factory.mktemp("ip_adapter") / "adapter", model)


@pytest.fixture(scope="session")
def dift(model: Path) -> Callable[..., Dift]:
    @functools.cache
    def make(**options: Any) -> Dift:
        return loaded(Dift(str(model), **{"size": SIZE, "ensemble": 3, "batch": 2, **options}))

    return make


@pytest.fixture(scope="session")
def faceshot(model: Path, adapter: Path) -> Callable[..., FaceShotSD]:
    @functools.cache
    def make(**options: Any) -> FaceShotSD:
        defaults = {"size": SIZE, "timestep": 41, "batch": 2, "ip_adapter": str(adapter)}
        return loaded(FaceShotSD(**{"model": str(model), **defaults, **options}))

    return make


def loaded(features: Any) -> Any:
    features.load("cpu")
    return features


@functools.cache
class Reference:
    """Stable Diffusion as diffusers gives it, whole and unmodified."""

    def __init__(self, model: Path, adapter: Path | None = None) -> None:
        from diffusers import DDIMInverseScheduler, StableDiffusionPipeline

        self.pipe: Any = StableDiffusionPipeline.from_pretrained(model, low_cpu_mem_usage=False)
        if adapter is not None:
            self.pipe.load_ip_adapter(
                adapter,
                subfolder="models",
                weight_name="ip-adapter_sd15.safetensors",
                image_encoder_folder=None,
                low_cpu_mem_usage=False,
            )
            self.pipe.set_ip_adapter_scale(1.0)
        self.inverse = DDIMInverseScheduler.from_pretrained(model, subfolder="scheduler")
        self.prompt = self.pipe.encode_prompt(PROMPT, "cpu", 1, False)[0]

    def latents(self, image: np.ndarray) -> Any:
        scaled = self.pipe.image_processor.preprocess(image[None].astype(np.float32) / 255)
        return self.pipe.vae.encode(scaled).latent_dist.mean * self.pipe.vae.config.scaling_factor

    def forward(self, latents: Any, time: int, up_block: int, guide: np.ndarray | None = None) -> tuple[Any, Any]:
        """The U-Net's prediction, and what its up block gave."""
        seen = []
        condition = {} if guide is None else {"image_embeds": [torch.from_numpy(guide)[None, None]]}
        hook = self.pipe.unet.up_blocks[up_block].register_forward_hook(lambda *call: seen.append(call[-1]))
        predicted = self.pipe.unet(latents, time, self.prompt, added_cond_kwargs=condition).sample
        hook.remove()
        return predicted, seen[0]

    def inversion(self, image: np.ndarray, timestep: int, guide: np.ndarray | None = None) -> np.ndarray:
        """Features (C, h, w) after up block 1, the scheduler stepped by hand."""
        latents = self.latents(image)
        self.inverse.set_timesteps(50)
        for time in self.inverse.timesteps:
            predicted, features = self.forward(latents, int(time), 1, guide)
            if time == timestep:
                return np.asarray(features[0])
            latents = self.inverse.step(predicted, time, latents).prev_sample
        raise AssertionError(timestep)


@pytest.fixture(autouse=True)
def one_thread_without_gradients() -> Iterator[None]:
    """For networks as tiny as these, several threads cost far more than they bring."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.no_grad():
        yield
    torch.set_num_threads(threads)


def alike(found: np.ndarray, expected: np.ndarray) -> bool:
    return found.shape == expected.shape and bool(np.abs(found - expected).max() < 1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("up_block", [1, 3])
def test_dift_is_the_mean_over_noised_passes_of_the_unmodified_network(
    model: Path, dift: Callable[..., Dift], up_block: int
) -> None:
    features, reference = dift(up_block=up_block, timestep=261), Reference(model)
    for image, found in zip(images(2), features.extract(images(2)), strict=True):
        noise = features._noise(image, (4, SIZE // 8, SIZE // 8))
        time = torch.tensor([261])
        noised = [reference.pipe.scheduler.add_noise(reference.latents(image), draw[None], time) for draw in noise]
        passes = [np.asarray(reference.forward(sample, 261, up_block)[1][0]) for sample in noised]
        assert found.dtype == np.float32
        assert found.shape[1:] == (SIZE // (32, 16, 8, 8)[up_block],) * 2
        assert alike(found, np.mean(passes, axis=0))


def test_noise_is_normal_and_of_each_image_its_own(dift: Callable[..., Dift]) -> None:
    first, second = images(2)
    features = dift(ensemble=64)
    noise = np.asarray(features._noise(first, (4, 8, 8)))
    assert abs(noise.mean()) < 0.03
    assert abs(noise.std() - 1) < 0.03
    assert np.abs(np.corrcoef(noise.reshape(64, -1))[np.triu_indices(64, 1)]).max() < 0.4
    assert np.array_equal(noise, features._noise(first.copy(), (4, 8, 8)))
    assert abs(np.corrcoef(noise.ravel(), np.asarray(features._noise(second, (4, 8, 8))).ravel())[0, 1]) < 0.05


@pytest.mark.parametrize("timestep", [1, 301])
def test_faceshot_is_the_hand_stepped_inversion_of_the_unmodified_network(
    model: Path, faceshot: Callable[..., FaceShotSD], timestep: int
) -> None:
    reference = Reference(model)
    found = faceshot(timestep=timestep).extract(images(2))
    assert found.dtype == np.float32
    assert found.shape[1:] == (CHANNELS[-1], SIZE // 16, SIZE // 16)
    for image, one in zip(images(2), found, strict=True):
        assert alike(one, reference.inversion(image, timestep))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_the_inversion_follows_the_equation_of_ddim(tmp_path: Path, prediction: str) -> None:
    """x_next = sqrt(a_next) x_0 + sqrt(1 - a_next) noise, both predicted from x (Song et al., equation 12)."""
    model = write_model(tmp_path / "model", prediction)
    features: FaceShotSD = loaded(FaceShotSD(str(model), size=SIZE, timestep=81))
    reference = Reference(model)
    latents = reference.latents(images(1)[0])
    conditions = features._conditions(1, None)
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    kept = np.concatenate([[1 - betas[0]], np.cumprod(1 - betas)])  # kept[0]: before the first step
    x, before = np.asarray(latents, np.float64), 0
    for time in (1, 21, 41, 61):
        output, _ = reference.forward(torch.tensor(x, dtype=torch.float32), time, 1)
        clean, noisy = np.sqrt(kept[before]), np.sqrt(1 - kept[before])
        predicted = np.asarray(output, np.float64)
        if prediction == "epsilon":
            noise, original = predicted, (x - noisy * predicted) / clean
        else:
            noise, original = clean * predicted + noisy * x, clean * x - noisy * predicted
        x = np.sqrt(kept[time + 1]) * original + np.sqrt(1 - kept[time + 1]) * noise
        before = time + 1
    assert np.asarray(features._inverted(latents, conditions)) == pytest.approx(x, abs=1e-4 * np.abs(x).max())


def test_guides_act_as_in_the_unmodified_pipeline(
    model: Path, adapter: Path, faceshot: Callable[..., FaceShotSD]
) -> None:
    reference = Reference(model, adapter)
    guided = faceshot(guidance="ip_adapter")
    found = guided.extract(images(2), guides(2))
    for image, guide, one in zip(images(2), guides(2), found, strict=True):
        assert alike(one, reference.inversion(image, 41, guide))
    swapped = guided.extract(images(2), guides(2)[::-1].copy())
    assert np.abs(swapped - found).max(axis=(1, 2, 3)).min() > 0.01 * np.abs(found).max()
    plain = faceshot().extract(images(2))
    assert np.abs(plain - found).max(axis=(1, 2, 3)).min() > 0.01 * np.abs(found).max()
    assert alike(faceshot(guidance="ip_adapter", ip_adapter_scale=0.0).extract(images(2), guides(2)), plain)


@pytest.mark.parametrize("kind", ["dift", "faceshot", "guided"])
def test_features_do_not_depend_on_the_images_beside(
    dift: Callable[..., Dift], faceshot: Callable[..., FaceShotSD], kind: str
) -> None:
    features = {"dift": dift, "faceshot": faceshot, "guided": lambda: faceshot(guidance="ip_adapter")}[kind]()
    steering = guides() if kind == "guided" else None
    together = features.extract(images(), steering)
    for index, image in enumerate(images()):
        alone = features.extract([image], None if steering is None else steering[index : index + 1])
        assert alike(alone[0], together[index])


def test_equal_seeds_give_equal_features(model: Path, dift: Callable[..., Dift]) -> None:
    first = dift(seed=1).extract(images())
    assert np.array_equal(loaded(Dift(str(model), size=SIZE, ensemble=3, batch=2, seed=1)).extract(images()), first)
    assert np.abs(dift(seed=2).extract(images()) - first).max() > 0.01 * np.abs(first).max()


def test_the_prompt_counts(faceshot: Callable[..., FaceShotSD]) -> None:
    assert not alike(faceshot(prompt="zebra").extract(images(1)), faceshot().extract(images(1)))


def test_images_of_any_size_are_resized(faceshot: Callable[..., FaceShotSD]) -> None:
    from PIL import Image

    large = np.random.default_rng(2).integers(0, 256, (100, 100, 3), np.uint8)
    small = np.asarray(Image.fromarray(large).resize((SIZE, SIZE), Image.Resampling.BICUBIC))
    features = faceshot()
    assert alike(features.extract([large, images(1)[0]]), features.extract([small, images(1)[0]]))
    with pytest.raises(UserError, match="100 x 50; accepted are squares"):
        features.extract([large[:50]])


def test_blocks_after_the_chosen_one_do_not_run(dift: Callable[..., Dift], faceshot: Callable[..., FaceShotSD]) -> None:
    for features, full_passes, last_passes in ((dift(batch=6), 0, 1), (faceshot(timestep=61, batch=2), 3, 1)):
        runs = [0, 0, 0, 0]

        def count(number: int, runs: list[int] = runs) -> Callable[..., None]:
            def add(*call: Any) -> None:
                runs[number] += 1

            return add

        hooks = [block.register_forward_hook(count(number)) for number, block in enumerate(features._unet.up_blocks)]
        features.extract(images(2))
        for hook in hooks:
            hook.remove()
        assert runs == [full_passes + last_passes] * 2 + [full_passes] * 2


def test_no_hooks_stay_even_if_the_network_fails(dift: Callable[..., Dift], monkeypatch: pytest.MonkeyPatch) -> None:
    features = dift()

    def hooks() -> int:
        return sum(len(module._forward_hooks) for module in features._unet.modules())

    features.extract(images(1))
    assert hooks() == 0

    def fail(*args: Any, **options: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(features._unet.mid_block, "forward", fail)
    with pytest.raises(ZeroDivisionError):
        features.extract(images(1))
    assert hooks() == 0


def test_only_the_needed_networks_stay(faceshot: Callable[..., FaceShotSD]) -> None:
    features = faceshot(guidance="ip_adapter")
    kept = {name for name, value in vars(features).items() if isinstance(value, torch.nn.Module)}
    assert kept == {"_unet", "_vae"}
    assert not any(name.startswith(("decoder", "post_quant_conv")) for name, _ in features._vae.named_parameters())
    assert not any(value.requires_grad for network in (features._unet, features._vae) for value in network.parameters())


@pytest.mark.parametrize(("dtype", "correlation"), [("bf16", 0.999), ("fp16", 0.9999)])
def test_lower_precision_gives_almost_the_same(
    faceshot: Callable[..., FaceShotSD], dtype: str, correlation: float
) -> None:
    exact, rough = faceshot().extract(images(1)), faceshot(dtype=dtype).extract(images(1))
    assert rough.dtype == np.float32
    assert correlation < np.corrcoef(exact.ravel(), rough.ravel())[0, 1] < 1


def test_fingerprints_follow_the_weights(tmp_path: Path, model: Path, adapter: Path) -> None:
    copy = shutil.copytree(model, tmp_path / "copy")
    original = Dift(str(model)).fingerprint()
    assert Dift(str(copy)).fingerprint() == original == FaceShotSD(str(model)).fingerprint()
    guided = FaceShotSD(str(model), guidance="ip_adapter", ip_adapter=str(adapter)).fingerprint()
    assert guided != original
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert Dift(str(copy)).fingerprint() != original


def test_missing_weights_are_named(tmp_path: Path, model: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*args: Any, **options: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", no_network)
    for missing in (lambda: Dift().load("cpu"), lambda: Dift().fingerprint()):
        with pytest.raises(
            UserError,
            match=r"features\.model=sd2-community/.*weights\.names=\[stable_diffusion_2_1\].*features\.model=DIR",
        ):
            missing()
    with pytest.raises(UserError, match=r"features\.model=\./nowhere: no such folder"):
        Dift("./nowhere").load("cpu")
    partial = shutil.copytree(model, tmp_path / "partial")
    (partial / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(UserError, match=r"features\.model=.*partial"):
        Dift(str(partial)).load("cpu")
    with pytest.raises(UserError, match=r"features\.ip_adapter=.*adapter"):
        FaceShotSD(
            str(model), size=SIZE, guidance="ip_adapter", ip_adapter=str(adapter), ip_adapter_file="no.safetensors"
        ).load("cpu")


def test_guides_are_given_where_wanted_and_nowhere_else(
    dift: Callable[..., Dift], faceshot: Callable[..., FaceShotSD]
) -> None:
    guided = faceshot(guidance="ip_adapter")
    for plain in (dift(), faceshot()):
        with pytest.raises(UserError, match="take no guides"):
            plain.extract(images(), guides())
    with pytest.raises(UserError, match="needs guides"):
        guided.extract(images())
    for wrong in (guides(2), guides()[:, :5], guides().astype(np.float64), guides()[0]):
        with pytest.raises(UserError, match=r"accepts float32 \(3, 12\)"):
            guided.extract(images(), wrong)


def test_another_kind_of_ip_adapter_is_refused(faceshot: Callable[..., FaceShotSD]) -> None:
    from diffusers.models.embeddings import IPAdapterFullImageProjection, MultiIPAdapterImageProjection

    features = copy.deepcopy(faceshot(guidance="ip_adapter"))
    features._unet.encoder_hid_proj = MultiIPAdapterImageProjection([IPAdapterFullImageProjection(GUIDE, WIDTH)])
    with pytest.raises(UserError, match="not a plain IP-Adapter"):
        features._check(features._unet, features._scheduler)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 500}, r"features\.size=500: accepted are multiples of 64"),
        ({"size": 0}, r"features\.size=0"),
        ({"up_block": 4}, r"features\.up_block=4: accepted are whole numbers from 0 to 3"),
        ({"up_block": -1}, r"features\.up_block=-1"),
        ({"timestep": 1000}, r"features\.timestep=1000: accepted are whole numbers from 0 to 999"),
        ({"batch": 0}, r"features\.batch=0"),
    ],
)
def test_wrong_settings_are_refused(options: dict[str, Any], message: str) -> None:
    for kind in (Dift, FaceShotSD):
        with pytest.raises(UserError, match=message):
            kind(**options)


def test_wrong_settings_of_one_kind_are_refused(faceshot: Callable[..., FaceShotSD]) -> None:
    with pytest.raises(UserError, match=r"features\.ensemble=0: accepted are whole numbers from 1"):
        Dift(ensemble=0)
    with pytest.raises(UserError, match=r"features\.guidance=text: accepted are none, ip_adapter"):
        FaceShotSD(guidance="text")  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"features\.steps=0: accepted are whole numbers from 1 to 1000"):
        FaceShotSD(steps=0)
    with pytest.raises(UserError, match=r"accepted are \.safetensors files"):
        FaceShotSD(ip_adapter_file="ip-adapter_sd15.bin")
    with pytest.raises(UserError, match=r"features\.timestep=300: .* the nearest are 281 and 301"):
        faceshot(timestep=300)


def test_too_little_memory_says_what_to_turn_down(
    dift: Callable[..., Dift], faceshot: Callable[..., FaceShotSD], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any, **options: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    for features, remedy in ((dift(), r"features\.batch or features\.ensemble.*dtype"), (faceshot(), "batch.*dtype")):
        monkeypatch.setattr(features._unet, "forward", full)
        with pytest.raises(UserError, match=f"too little free memory.*{remedy}"):
            features.extract(images(1))


def test_features_that_are_no_numbers_are_refused(dift: Callable[..., Dift]) -> None:
    features = copy.deepcopy(dift())
    features._unet.conv_in.bias.fill_(torch.inf)
    with pytest.raises(UserError, match=r"not finite in float32: use features\.dtype"):
        features.extract(images(1))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dift", Dift()),
        ("dift_sd15", Dift("stable-diffusion-v1-5/stable-diffusion-v1-5")),
        ("faceshot_sd", FaceShotSD()),
        (
            "faceshot_sd_ip_adapter",
            FaceShotSD("stable-diffusion-v1-5/stable-diffusion-v1-5", guidance="ip_adapter"),
        ),
    ],
)
def test_the_configurations_are_the_defaults(name: str, expected: Any) -> None:
    from hydra import compose, initialize_config_module
    from hydra.utils import instantiate

    with initialize_config_module("conf", version_base="1.3"):
        made = instantiate(compose(f"features/{name}").features)
    assert type(made) is type(expected)
    assert vars(made) == vars(expected)


def test_making_features_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from methods.faceshot.features.dinov2 import DinoV2\n"
        "from methods.faceshot.features.stable_diffusion import Dift, FaceShotSD\n"
        "DinoV2(), Dift(), FaceShotSD()\n"
        "print({'torch', 'diffusers', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
