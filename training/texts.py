"""The pocket language models' texts for compression: assets/text/fairy.safetensors, as token ids.

Command: python -m training.texts      (seconds)

calibration [128, 256]: windows spread evenly over the training books. held_out [32, 256]: windows spread
evenly over The Magic of Oz, on which nothing was trained. Data: as in training/language.py.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from training.language import END, POCKET, ROOT, TEST, VALIDATION, books

OUT = ROOT / "assets" / "text"
LENGTH = 256  # tokens


def windows(tokens: np.ndarray, count: int) -> torch.Tensor:
    """`count` windows [count, LENGTH], spread evenly, none overlapping another."""
    starts = np.linspace(0, len(tokens) - LENGTH, count).astype(int)
    if count > 1 and np.diff(starts).min() < LENGTH:
        raise ValueError(f"{count} windows need at least {count * LENGTH} tokens; got {len(tokens)}.")
    return torch.from_numpy(np.stack([tokens[s : s + LENGTH] for s in starts])).to(torch.int16)


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
    save_file(tensors, OUT / "fairy.safetensors")
    card = {
        "command": "python -m training.texts",
        "tokenizer": "assets/pocket/fairy-target",
        "calibration": f"128 windows of {LENGTH} tokens, evenly over the {len(trained)} training books",
        "held_out": f"32 windows of {LENGTH} tokens, evenly over {TEST}",
        "licence": "texts: Project Gutenberg, public domain in the USA",
    }
    (OUT / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
