"""Models of open_clip: one tower for pictures and one for texts, read from a folder in its layout."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from PIL.Image import Image
from torch import Tensor

from demos.kit.hub import LoadError
from demos.kit.torchvision_shim import register_missing_operators

register_missing_operators()  # before open_clip is imported

import open_clip  # noqa: E402


@dataclass(frozen=True)
class ClipReader:
    """What makes a CLIP's input out of texts and pictures.

    tokenizer: texts to ids; what is longer than the context is cut without a word.
    preprocess: a picture to the values that the model takes, in float32 whatever the model's type.
    context: tokens. size: height and width in pixels. mean, std: of red, green and blue, so that
    preprocess(picture) * std + mean is the picture from 0 to 1, as the model sees it.
    """

    tokenizer: Callable[[list[str]], Int[Tensor, "texts context"]]
    preprocess: Callable[[Image], Float[Tensor, "3 height width"]]
    context: int
    size: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def tokens(self, text: str) -> int:
        """How many the text has with its end and, where there is one, its beginning, before it is cut."""
        if isinstance(self.tokenizer, open_clip.SimpleTokenizer):
            return len(self.tokenizer.encode(text)) + 2
        return len(self.tokenizer.tokenizer(self.tokenizer.clean_fn(text)).input_ids)


def read(
    folder: Path, title: str, dtype: torch.dtype
) -> tuple[open_clip.CLIP | open_clip.CustomTextCLIP, ClipReader]:
    """The model in this type, on the CPU, and its reader; nothing is asked of a network.

    logit_scale and logit_bias stay in float32: bfloat16 would turn a scale of 100 into 98.9.
    Raises LoadError where the config names a tokenizer and the folder has none.
    """
    name = f"local-dir:{folder}"
    model, preprocess = open_clip.create_model_from_pretrained(name)
    exact = {n: p.detach().clone() for n, p in model.named_parameters() if n in ("logit_scale", "logit_bias")}
    model.to(dtype)
    for parameter, value in exact.items():
        getattr(model, parameter).data = value
    tokenizer = _tokenizer(folder, title)
    shown = model.visual.preprocess_cfg
    height, width = model.visual.image_size
    mean, std = tuple(shown["mean"]), tuple(shown["std"])
    return model, ClipReader(tokenizer, preprocess, tokenizer.context_length, (height, width), mean, std)


def _tokenizer(folder: Path, title: str) -> Callable[[list[str]], Int[Tensor, "texts context"]]:
    """The one in the folder where the config names any, else OpenAI's, which comes with open_clip."""
    config = json.loads((folder / "open_clip_config.json").read_text())
    own = config["model_cfg"]["text_cfg"].get("hf_tokenizer_name")
    if not own:
        return open_clip.get_tokenizer(f"local-dir:{folder}")
    if not (folder / "tokenizer.json").is_file():
        # transformers would take some classes without it, as T5's, and give them a vocabulary of nothing.
        raise LoadError(
            f"{title} was expected to have tokenizer.json, as its config names {own}; it has none."
        )
    return open_clip.get_tokenizer(f"local-dir:{folder}", local_files_only=True, trust_remote_code=False)
