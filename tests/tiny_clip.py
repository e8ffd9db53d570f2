"""Tiny random models of open_clip, in the layouts of those that the zoo has."""

import json
import string
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from tests.hub_server import TEXT

CONTEXT, MEAN, STD = 12, [0.5, 0.4, 0.3], [0.2, 0.25, 0.3]
VISION = {"image_size": 32, "patch_size": 8, "layers": 2, "width": 32, "head_width": 16}
BPE = {"context_length": CONTEXT, "layers": 2, "width": 32, "heads": 2}
CONFIGS = {
    # as training/clip.py: a tokenizer of its own, named as nobody's on the hub is
    "emoji": {
        "embed_dim": 16,
        "vision_cfg": VISION,
        "text_cfg": BPE
        | {"vocab_size": 300, "hf_tokenizer_name": "emoji", "pool_type": "eos", "pad_id": 0, "eos_id": 1},
    },
    # as OpenAI's, without a tokenizer: open_clip brings it
    "openai": {
        "embed_dim": 16,
        "quick_gelu": True,
        "vision_cfg": VISION,
        "text_cfg": BPE | {"vocab_size": 49408},
    },
    # as SigLIP: a tower of timm, T5's tokenizer without the letters' case, a bias
    "siglip": {
        "embed_dim": 64,
        "init_logit_bias": -10,
        "custom_text": True,
        "vision_cfg": {
            "image_size": 32,
            "timm_model_name": "test_vit",
            "timm_model_pretrained": False,
            "timm_pool": "map",
            "timm_proj": "none",
        },
        "text_cfg": BPE
        | {
            "vocab_size": 60,
            "hf_tokenizer_name": "timm/ViT-B-16-SigLIP",
            "tokenizer_kwargs": {"clean": "canonicalize"},
            "no_causal_mask": True,
            "proj_bias": True,
            "pool_type": "last",
        },
    },
}


def write_tiny_clip(folder: Path, kind: str = "emoji") -> open_clip.CLIP | open_clip.CustomTextCLIP:
    """The model that was written, in eval mode; logit_scale is that of 100."""
    config = CONFIGS[kind]
    folder.mkdir(parents=True, exist_ok=True)
    if kind != "openai":
        {"emoji": bpe, "siglip": unigram}[kind](folder)
    torch.manual_seed(0)
    parts = {key: value for key, value in config.items() if key != "custom_text"}
    model = (open_clip.CustomTextCLIP if "custom_text" in config else open_clip.CLIP)(**parts)
    with torch.no_grad():
        model.logit_scale.fill_(100).log_()
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    preprocess = {"mean": MEAN, "std": STD, "interpolation": "bicubic", "resize_mode": "squash"}
    written = {"model_cfg": config, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(written))
    return model.eval()


def bpe(folder: Path) -> None:
    """Lower-cased bytes, "<end>" after each text, "<pad>" after that."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<pad>", "<end>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    tokenizer.post_processor = processors.TemplateProcessing("$A <end>", special_tokens=[("<end>", 1)])
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<end>").save_pretrained(
        folder
    )


def unigram(folder: Path) -> None:
    """T5's form: pieces with a likelihood, "</s>" both as the end and as what fills up.

    The pieces are TEXT's letters and words: a trainer would give those of equal likelihood another order
    each time, and so the model another text.
    """
    words = sorted({*string.ascii_lowercase, "▁", *(f"▁{word}" for word in TEXT)})
    pieces = [
        ("<pad>", 0.0),
        ("</s>", 0.0),
        ("<unk>", 0.0),
        *((word, -1.0 - n) for n, word in enumerate(words)),
    ]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", 1)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="</s>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    path.write_text(
        json.dumps(json.loads(path.read_text()) | {"tokenizer_class": "T5Tokenizer", "extra_ids": 0})
    )
