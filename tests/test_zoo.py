"""The rows of models against the files that are here, closed forms of their sizes, and each other."""

import json
import re
import subprocess
import sys
from pathlib import Path

import open_clip
import pytest
import torch
import transformers
from transformers import Dinov2WithRegistersConfig, ViTConfig

from demos.kit.zoo import FEATURES, IMAGE_TEXT, LABELS, MODELS, PAIRS, TEXT

ROOT = Path(__file__).parents[1]
POCKET = [spec for spec in MODELS.values() if spec.source == "pocket"]
HUB = [spec for spec in MODELS.values() if spec.source == "hub"]

# vocabulary, width, MLP width, layers, heads, key and value heads, width of a head
LLAMAS = {
    "fairy-draft": (4096, 96, 256, 2, 3, 3, 32),
    "fairy-target": (4096, 256, 688, 6, 4, 4, 64),
    "fairy-sheared": (4096, 192, 512, 4, 3, 3, 64),
    "smollm2-135m": (49152, 576, 1536, 30, 9, 3, 64),
    "smollm2-360m": (49152, 960, 2560, 32, 15, 5, 64),
    "smollm2-1.7b": (49152, 2048, 8192, 24, 32, 32, 64),
    "qwen3-0.6b": (151936, 1024, 3072, 28, 16, 8, 128),
    "qwen3-1.7b": (151936, 2048, 6144, 28, 16, 8, 128),
}
VITS = {
    "cifar-vit": ViTConfig.from_pretrained(ROOT / "assets" / "pocket" / "cifar-vit"),
    "vit-tiny": ViTConfig(hidden_size=192, num_attention_heads=3, intermediate_size=768, num_labels=1000),
    "vit-base": ViTConfig(num_labels=1000),
    "dinov2-registers-small": Dinov2WithRegistersConfig(
        hidden_size=384, num_attention_heads=6, image_size=518, patch_size=14
    ),
}
# their names in open_clip
CLIPS = {
    "clip-vit-b32-openai": ("ViT-B-32-quickgelu", "openai"),
    "clip-vit-b32-laion2b": ("ViT-B-32", "laion2b_s34b_b79k"),
    "siglip-vit-b16": ("ViT-B-16-SigLIP", "webli"),
}
GPT2S = {"distilgpt2": (6, 768), "gpt2-large": (36, 1280)}  # layers, width


def ids(spec):
    return spec.slug


@pytest.mark.parametrize("slug", LLAMAS)
def test_sizes_follow_from_the_shapes(slug):
    vocab, width, mlp, layers, heads, kv, head = LLAMAS[slug]
    layer = 2 * width * heads * head + 2 * width * kv * head + 3 * width * mlp + 2 * width
    qwen = slug.startswith("qwen")
    if qwen:
        layer += 2 * head  # Qwen3 normalises queries and keys
    parameters = vocab * width + layers * layer + width
    spec = MODELS[slug]
    assert spec.parameters == parameters
    assert spec.disk_bytes == 2 * (parameters + qwen * vocab * width)  # bfloat16; Qwen3 stores lm_head


@pytest.mark.parametrize("slug", GPT2S)
def test_sizes_of_gpt2_follow_from_the_shapes(slug):
    layers, width = GPT2S[slug]
    parameters = (50257 + 1024) * width + layers * (12 * width**2 + 13 * width) + 2 * width
    assert MODELS[slug].parameters == parameters
    assert MODELS[slug].disk_bytes == 4 * (parameters + layers * 1024**2)  # float32; masks are stored


@pytest.mark.parametrize("slug", VITS)
def test_sizes_of_vision_transformers_are_those_of_their_classes(slug):
    spec = MODELS[slug]
    with torch.device("meta"):
        model = getattr(transformers, spec.loader)(VITS[slug])
    assert spec.parameters == model.num_parameters()
    assert spec.disk_bytes == (2 if spec.source == "pocket" else 4) * spec.parameters


@pytest.mark.parametrize("slug", CLIPS)
def test_clips_are_what_open_clip_knows_by_their_names(slug):
    name, tag = CLIPS[slug]
    spec = MODELS[slug]
    assert open_clip.get_pretrained_cfg(name, tag)["hf_hub"] == f"{spec.repo}/"
    with torch.device("meta"):
        model = open_clip.create_model(name, device="meta")
    assert spec.parameters == sum(p.numel() for p in model.parameters())
    assert spec.disk_bytes == 4 * sum(tensor.numel() for tensor in model.state_dict().values())  # float32


def test_each_row_says_what_reads_it():
    assert {slug for slug, spec in MODELS.items() if spec.framework == "open_clip"} == {
        slug for slug, spec in MODELS.items() if spec.tasks == IMAGE_TEXT
    }
    for spec in MODELS.values():
        assert spec.tasks in (TEXT, IMAGE_TEXT, LABELS, FEATURES)
        if spec.framework == "open_clip":
            files = [file for file, _ in spec.sha256]
            assert files == (["open_clip_model.safetensors"] if spec.source == "hub" else [])
        else:
            assert hasattr(transformers, spec.loader) and hasattr(transformers, spec.reader)
            assert all(file.startswith("model") for file, _ in spec.sha256)
        assert (spec.attention == "eager") == (spec.tasks in (LABELS, FEATURES))


@pytest.mark.parametrize("spec", POCKET, ids=ids)
def test_pocket_rows_are_what_the_folders_hold(spec):
    folder = ROOT / "assets" / "pocket" / spec.repo
    card = json.loads((folder / "card.json").read_text())
    assert spec.parameters == card.get("target", card)["parameters"]
    assert spec.licence in card["licence"]
    assert spec.revision is None
    tensors = 0
    for path in folder.glob("*model*.safetensors"):
        content = path.read_bytes()
        tensors += len(content) - 8 - int.from_bytes(content[:8], "little")
    assert spec.disk_bytes == tensors


@pytest.mark.parametrize("spec", HUB, ids=ids)
def test_hub_rows_are_pinned(spec):
    assert re.fullmatch(r"[0-9a-f]{40}", spec.revision)
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", spec.repo)
    assert spec.sha256
    for file, digest in spec.sha256:
        assert file.endswith(".safetensors") and re.fullmatch(r"[0-9a-f]{64}", digest)


def test_every_model_has_its_own_name_revision_and_weights():
    assert all(spec.slug == slug for slug, spec in MODELS.items())
    assert len({spec.title for spec in MODELS.values()}) == len(MODELS)
    assert len({spec.revision for spec in HUB}) == len(HUB)
    digests = [digest for spec in HUB for _, digest in spec.sha256]
    assert len(set(digests)) == len(digests)


def test_the_smaller_model_drafts():
    for pair in PAIRS:
        draft, target = MODELS[pair.draft], MODELS[pair.target]
        assert draft.parameters < target.parameters and draft.source == target.source


def test_the_rows_load_nothing_heavy():
    code = "import sys, demos.kit.zoo; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert not set(done.stdout.split()) & {
        "torch",
        "transformers",
        "open_clip",
        "gradio",
        "numpy",
        "huggingface_hub",
    }
