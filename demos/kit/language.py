"""What pages need of a language model beside its passes: prompts as ids, ids as text, texts to measure on."""

from functools import cache
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Int
from safetensors.torch import load_file
from torch import Tensor

from demos.kit.inputs import InputError
from demos.kit.models import POCKET, Loaded, transformers

TEXT = Path(__file__).parents[2] / "assets" / "text" / "fairy.safetensors"
WRITTEN_WITH = POCKET / "fairy-target"  # whose tokenizer the ids in TEXT are of


def prompt_ids(target: Loaded, prompt: str) -> torch.Tensor:
    """The prompt's ids [1, T]. Raises InputError where they are more than the target's context."""
    ids = target.reader(prompt, return_tensors="pt")["input_ids"]
    context = target.model.config.max_position_embeddings
    if not 1 <= ids.shape[1] <= context:
        raise InputError(f"The prompt must have 1 to {context} tokens; got {ids.shape[1]}.")
    return ids


def word(tokenizer, token: int) -> str:
    """A token as text; a part of a character, which is no text by itself, as its bytes."""
    text = tokenizer.decode([token])
    return "⟨" + tokenizer.convert_ids_to_tokens(token) + "⟩" if "�" in text else text


def sequences(loaded: Loaded, part: Literal["calibration", "held_out"], count: int) -> Int[Tensor, "n T"]:
    """Sequences of the shipped text as this model's tokens, at most `count` of them.

    calibration: from the pocket models' training books; held_out: from a book that they never saw. For a
    model with another tokenizer the same passages are cut anew.
    """
    ids = _texts()[part][:count].long()
    if loaded.spec.source == "pocket":
        return ids
    reader = transformers.PreTrainedTokenizerFast.from_pretrained(WRITTEN_WITH, local_files_only=True)
    text = "\n".join(reader.batch_decode(ids))
    length = min(ids.shape[1], loaded.model.config.max_position_embeddings)
    anew = loaded.reader(text, return_tensors="pt")["input_ids"][0]
    return anew[: len(anew) // length * length].reshape(-1, length)


@cache
def _texts() -> dict[str, Tensor]:
    return load_file(TEXT)
