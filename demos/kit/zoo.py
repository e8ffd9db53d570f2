"""Every model that the app can load, as a row of what is known before it is loaded."""

from dataclasses import dataclass
from typing import Literal

TEXT = ("text-generation",)
IMAGE_TEXT = ("image-text",)
LABELS = ("image-classification",)
FEATURES = ("image-features",)


@dataclass(frozen=True)
class ModelSpec:
    """One model.

    repo: its folder in assets/pocket, or its id on the hub.
    revision: the hub's commit, all 40 digits; None for a pocket model.
    framework: what reads it. The three that follow are for transformers only; a model of open_clip says in
    its own config what it is made of.
    loader, reader: the classes of transformers for the model and for its tokenizer or processor.
    attention: how transformers computes it; only "eager" returns the weights. None: as it prefers.
    trained: on what, in a sentence.
    tasks: what it can do, by which a topic chooses the rows it offers.
    parameters: shared ones count once.
    disk_bytes: the tensors in the weights' files. The files' heads add at most 0.1 MB and the
    tokenizer at most 16 MB.
    sha256: (file, digest) of the weights. They hold whatever hub is asked; the small files are
    checked against the hub's own digests only.
    """

    slug: str
    title: str
    source: Literal["pocket", "hub"]
    repo: str
    revision: str | None
    parameters: int
    disk_bytes: int
    licence: str
    framework: Literal["transformers", "open_clip"] = "transformers"
    loader: str = "AutoModelForCausalLM"
    reader: str = "AutoTokenizer"
    attention: Literal["eager"] | None = None
    trained: str = ""
    tasks: tuple[str, ...] = TEXT
    sha256: tuple[tuple[str, str], ...] = ()

    @property
    def memory_bytes(self) -> int:
        """What its weights need in float32, the type on a CPU; half of it on a GPU."""
        return 4 * self.parameters


@dataclass(frozen=True)
class Pair:
    """Two models, by slug, of one vocabulary: a small one that drafts and a large one that checks."""

    draft: str
    target: str


# disk_bytes of the hub's models: Qwen3 stores its output matrix though it equals the embedding, and
# GPT-2 a mask of 1024 x 1024 for each layer; neither counts as parameters.
_ROWS = (
    ModelSpec(
        slug="fairy-draft",
        title="Fairy tales, draft",
        source="pocket",
        repo="fairy-draft",
        revision=None,
        parameters=614_880,
        disk_bytes=1_229_760,
        licence="Apache-2.0",
    ),
    ModelSpec(
        slug="fairy-target",
        title="Fairy tales, target",
        source="pocket",
        repo="fairy-target",
        revision=None,
        parameters=5_795_072,
        disk_bytes=11_590_144,
        licence="Apache-2.0",
    ),
    ModelSpec(
        slug="fairy-sheared",
        title="Fairy tales, sheared",
        source="pocket",
        repo="fairy-sheared",
        revision=None,
        parameters=2_557_632,
        disk_bytes=5_115_264,
        licence="Apache-2.0",
    ),
    ModelSpec(
        slug="smollm2-135m",
        title="SmolLM2-135M",
        source="hub",
        repo="HuggingFaceTB/SmolLM2-135M",
        revision="93efa2f097d58c2a74874c7e644dbc9b0cee75a2",
        parameters=134_515_008,
        disk_bytes=269_030_016,
        licence="Apache-2.0",
        sha256=(("model.safetensors", "80521b40281d6ce74e35c9282c22539e75aa0ac8578892b2a59955ef78d55da1"),),
    ),
    ModelSpec(
        slug="smollm2-360m",
        title="SmolLM2-360M",
        source="hub",
        repo="HuggingFaceTB/SmolLM2-360M",
        revision="f8027fd0eaeea54caa13c31d31b9fdc459c38b49",
        parameters=361_821_120,
        disk_bytes=723_642_240,
        licence="Apache-2.0",
        sha256=(("model.safetensors", "7aaff6661428bed033abba9522bec81938678642cca3181fe752b6ca9e1e540f"),),
    ),
    ModelSpec(
        slug="smollm2-1.7b",
        title="SmolLM2-1.7B",
        source="hub",
        repo="HuggingFaceTB/SmolLM2-1.7B",
        revision="effd688a12921b4cc83e3312b6feb579f70f9c71",
        parameters=1_711_376_384,
        disk_bytes=3_422_752_768,
        licence="Apache-2.0",
        sha256=(("model.safetensors", "1193528982f4ac0c0b707ce36fd7dc03a0ef6f3e1a432deb886dce2e90c300c0"),),
    ),
    ModelSpec(
        slug="qwen3-0.6b",
        title="Qwen3-0.6B",
        source="hub",
        repo="Qwen/Qwen3-0.6B",
        revision="c1899de289a04d12100db370d81485cdf75e47ca",
        parameters=596_049_920,
        disk_bytes=1_503_264_768,
        licence="Apache-2.0",
        sha256=(("model.safetensors", "f47f71177f32bcd101b7573ec9171e6a57f4f4d31148d38e382306f42996874b"),),
    ),
    ModelSpec(
        slug="qwen3-1.7b",
        title="Qwen3-1.7B",
        source="hub",
        repo="Qwen/Qwen3-1.7B",
        revision="70d244cc86ccca08cf5af4e1e306ecf908b1ad5e",
        parameters=1_720_574_976,
        disk_bytes=4_063_479_808,
        licence="Apache-2.0",
        sha256=(
            (
                "model-00001-of-00002.safetensors",
                "169ad53ec313c3a34b06c0809216e4fc072cce444a5d4ff2b59690d064130ed5",
            ),
            (
                "model-00002-of-00002.safetensors",
                "912becff8d60672aa8628ef08c05898d9adf17c2ad4ae3caf99b065622fdeff9",
            ),
        ),
    ),
    ModelSpec(
        slug="distilgpt2",
        title="DistilGPT2",
        source="hub",
        repo="distilbert/distilgpt2",
        revision="2290a62682d06624634c1f46a6ad5be0f47f38aa",
        parameters=81_912_576,
        disk_bytes=352_816_128,
        licence="Apache-2.0",
        sha256=(("model.safetensors", "e1ff18884359fe8beb795a5f414feb85a6ce3d929ad019c0d958c039d2b94a1b"),),
    ),
    ModelSpec(
        slug="gpt2-large",
        title="GPT-2 large",
        source="hub",
        repo="openai-community/gpt2-large",
        revision="32b71b12589c2f8d625668d2335a01cac3249519",
        parameters=774_030_080,
        disk_bytes=3_247_115_264,
        licence="MIT",
        sha256=(("model.safetensors", "5f47f3e12f91cd33b662ce7e433b6150ad5512b5884a2cee961b50e9c3bbebce"),),
    ),
    ModelSpec(
        slug="cifar-vit",
        title="CIFAR ViT",
        source="pocket",
        repo="cifar-vit",
        revision=None,
        parameters=2_693_578,
        disk_bytes=5_387_156,
        licence="Apache-2.0",
        loader="ViTForImageClassification",
        reader="ViTImageProcessor",
        trained="From scratch, on 50,000 pictures of 32 × 32 pixels in ten classes (CIFAR-10).",
        attention="eager",
        tasks=LABELS,
    ),
    ModelSpec(
        slug="vit-tiny",
        title="ViT-Tiny/16",
        source="hub",
        repo="WinKawaks/vit-tiny-patch16-224",
        revision="77d1485af66b34d4ed0fe95dbb0c60c7496f950b",
        parameters=5_717_416,
        disk_bytes=22_869_664,
        licence="Apache-2.0",
        loader="ViTForImageClassification",
        reader="ViTImageProcessor",
        trained="Pretrained on ImageNet-21k, then trained on the 1000 classes of ImageNet-1k.",
        attention="eager",
        tasks=LABELS,
        sha256=(("model.safetensors", "a9146f3ee7cf6de399190132627e4aef1aeddd13692f5b333f24629dd36c37b0"),),
    ),
    ModelSpec(
        slug="vit-base",
        title="ViT-Base/16",
        source="hub",
        repo="google/vit-base-patch16-224",
        revision="3f49326eb077187dfe1c2a2bb15fbd74e6ab91e3",
        parameters=86_567_656,
        disk_bytes=346_270_624,
        licence="Apache-2.0",
        loader="ViTForImageClassification",
        reader="ViTImageProcessor",
        trained="Pretrained on 14 million pictures (ImageNet-21k), then trained on the 1000 classes of "
        "ImageNet-1k.",
        attention="eager",
        tasks=LABELS,
        sha256=(("model.safetensors", "1cea07110a4a47edc51420b2dda6f3b8b58e7256e8f44b4ea6aa9696162ccb5d"),),
    ),
    ModelSpec(
        slug="dinov2-registers-small",
        title="DINOv2 small, with registers",
        source="hub",
        repo="facebook/dinov2-with-registers-small",
        revision="0d9846e56b43a21fa46d7f3f5070f0506a5795a9",
        parameters=22_058_112,
        disk_bytes=88_232_448,
        licence="Apache-2.0",
        loader="Dinov2WithRegistersModel",
        reader="BitImageProcessor",
        trained="Pretrained on 142 million pictures without any labels.",
        attention="eager",
        tasks=FEATURES,
        sha256=(("model.safetensors", "78e7f952c5af83cf6da38f08ff52b062bbe00c1adf39c4c7e0361969f27abae7"),),
    ),
    ModelSpec(
        slug="emoji-clip",
        title="Emoji CLIP",
        source="pocket",
        repo="emoji-clip",
        revision=None,
        parameters=3_620_737,
        disk_bytes=7_241_474,
        licence="Apache-2.0",
        trained="From scratch, on drawings of emoji in two styles, with their names.",
        framework="open_clip",
        tasks=IMAGE_TEXT,
    ),
    ModelSpec(
        slug="clip-vit-b32-openai",
        title="CLIP ViT-B/32, OpenAI",
        source="hub",
        repo="timm/vit_base_patch32_clip_224.openai",
        revision="a6f597a30f7b82c51704746581f9a4e41421e878",
        parameters=151_277_313,
        disk_bytes=605_109_252,
        licence="Apache-2.0",
        trained="On 400 million pictures with their texts from the web (WIT).",
        framework="open_clip",
        tasks=IMAGE_TEXT,
        sha256=(
            (
                "open_clip_model.safetensors",
                "e6d1bd7789aa45192b3bf90570a789b478bae1b74ebcce7eddd908e83a2b7c31",
            ),
        ),
    ),
    ModelSpec(
        slug="clip-vit-b32-laion2b",
        title="CLIP ViT-B/32, LAION-2B",
        source="hub",
        repo="laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
        revision="1a25a446712ba5ee05982a381eed697ef9b435cf",
        parameters=151_277_313,
        disk_bytes=605_109_252,
        licence="MIT",
        trained="On 2 billion pictures with English texts from the web (LAION-2B).",
        framework="open_clip",
        tasks=IMAGE_TEXT,
        sha256=(
            (
                "open_clip_model.safetensors",
                "ac4f8c4b88af6d963118cbf40ad93176d092abbedfcb752601ae1866352656e6",
            ),
        ),
    ),
    ModelSpec(
        slug="siglip-vit-b16",
        title="SigLIP ViT-B/16",
        source="hub",
        repo="timm/ViT-B-16-SigLIP",
        revision="41f575766f40e752fdd1383e9565b7f02388c1c4",
        parameters=203_155_970,
        disk_bytes=812_623_880,
        licence="Apache-2.0",
        trained="On pictures with texts from the web (WebLI), with a sigmoid for each pair.",
        framework="open_clip",
        tasks=IMAGE_TEXT,
        sha256=(
            (
                "open_clip_model.safetensors",
                "81942ea8c09b9e41963357cca5d2682118bf7eb7491c2ae51a28bc4f4f95b194",
            ),
        ),
    ),
)

MODELS: dict[str, ModelSpec] = {spec.slug: spec for spec in _ROWS}

PAIRS: tuple[Pair, ...] = (
    Pair("fairy-draft", "fairy-target"),
    Pair("smollm2-135m", "smollm2-360m"),
    Pair("smollm2-135m", "smollm2-1.7b"),
    Pair("qwen3-0.6b", "qwen3-1.7b"),
    Pair("distilgpt2", "gpt2-large"),
)
