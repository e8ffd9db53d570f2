"""The pocket language models' texts for compression: assets/text/fairy.safetensors, as token ids.

Command: python -m training.texts      (3 minutes on a CPU core)

calibration [128, 256]: windows spread evenly over the training books. held_out [32, 256]: windows spread
evenly over The Magic of Oz, on which nothing was trained. written [2048, 257]: what the pocket target
writes itself at temperature 1, each from an empty text on; a small model that is trained on it learns from
the target. Data: as in training/language.py.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from demos.kit.models import load
from demos.kit.zoo import MODELS
from training.language import END, POCKET, ROOT, TEST, VALIDATION, books

OUT = ROOT / "assets" / "text"
LENGTH = 256  # tokens
WRITTEN, AT_ONCE = 2048, 256  # texts that the target writes


def windows(tokens: np.ndarray, count: int) -> torch.Tensor:
    """`count` windows [count, LENGTH], spread evenly, none overlapping another."""
    starts = np.linspace(0, len(tokens) - LENGTH, count).astype(int)
    if count > 1 and np.diff(starts).min() < LENGTH:
        raise ValueError(f"{count} windows need at least {count * LENGTH} tokens; got {len(tokens)}.")
    return torch.from_numpy(np.stack([tokens[s : s + LENGTH] for s in starts])).to(torch.int16)


@torch.inference_mode()
def written(seed: int) -> torch.Tensor:
    """Texts [WRITTEN, LENGTH + 1] of the pocket target's own, each after an end token, which counts."""
    generator, texts = torch.Generator().manual_seed(seed), []
    with load(MODELS["fairy-target"], "cpu", torch.float32) as loaded:
        for _ in range(0, WRITTEN, AT_ONCE):
            ids = torch.full((AT_ONCE, 1), loaded.model.config.eos_token_id)
            cache = None
            for _ in range(LENGTH):
                out = loaded.model(input_ids=ids[:, -1:], cache=cache, use_cache=True)
                law, cache = out.logits[:, -1].softmax(-1), out.cache
                ids = torch.cat([ids, torch.multinomial(law, 1, generator=generator)], dim=1)
            texts.append(ids.to(torch.int16))
    return torch.cat(texts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT / "data")
    texts = books(parser.parse_args().data)
    tokenizer = Tokenizer.from_file(str(POCKET / "fairy-target" / "tokenizer.json"))
    end = tokenizer.token_to_id(END)

    def encode(titles: list[str]) -> np.ndarray:
        return np.concatenate([[*tokenizer.encode(texts[title]).ids, end] for title in titles])

    trained = [title for title in texts if title not in (VALIDATION, TEST)]
    OUT.mkdir(parents=True, exist_ok=True)
    tensors = {"calibration": windows(encode(trained), 128), "held_out": windows(encode([TEST]), 32)}
    tensors["written"] = written(seed=0)
    save_file(tensors, OUT / "fairy.safetensors")
    card = {
        "command": "python -m training.texts",
        "tokenizer": "assets/pocket/fairy-target",
        "calibration": f"128 windows of {LENGTH} tokens, evenly over the {len(trained)} training books",
        "held_out": f"32 windows of {LENGTH} tokens, evenly over {TEST}",
        "written": f"{WRITTEN} texts of {LENGTH} tokens, by assets/pocket/fairy-target itself, seed 0",
        "licence": "books: Project Gutenberg, public domain in the USA; what the model wrote: Apache-2.0",
    }
    (OUT / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
