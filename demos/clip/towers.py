"""What the two towers of an open_clip model give before and after their projections.

Nothing is hung on the model to read it: it is shared by all visitors, and a hook would see their passes too.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


@dataclass(frozen=True)
class Projected:
    """One side: projected = features @ weight.

    features: I_f or T_f. weight: W_i or W_t; both None where the tower keeps no such matrix outside itself.
    """

    features: Float[Tensor, "n d"] | None
    weight: Float[Tensor, "d De"] | None
    projected: Float[Tensor, "n De"]


def image_side(model: nn.Module, images: Float[Tensor, "n 3 H W"]) -> Projected:
    """The pictures through their tower. Its projection is visual.proj, where it has CLS; SigLIP's has none.

    Raises ValueError for pictures of another size than the model's.
    """
    visual = model.visual
    check_pictures(model, images)
    weight = next(visual.parameters())
    images = images.to(weight.device, weight.dtype)
    proj = getattr(visual, "proj", None)
    plain = getattr(visual, "pool_type", "") == "tok" and visual.attn_pool is None
    if not plain or not isinstance(proj, Tensor):
        return Projected(None, None, model.encode_image(images))
    last = visual.forward_intermediates(
        images, indices=1, normalize_intermediates=True, intermediates_only=True,
        output_fmt="NLC", output_extra_tokens=True,
    )  # fmt: skip
    features = last["image_intermediates_prefix"][-1][:, 0]
    return Projected(features, proj, features @ proj)


def text_side(model: nn.Module, texts: Int[Tensor, "n context"]) -> Projected:
    """The texts through their tower, as a CLIP holds it; a CustomTextCLIP keeps its projection in `text`."""
    texts = texts.to(next(model.visual.parameters()).device)
    weight = getattr(model, "text_projection", None)
    if not isinstance(weight, Tensor) or model.text_pool_type not in ("eos", "argmax"):
        return Projected(None, None, model.encode_text(texts))
    last = model.forward_intermediates(
        text=texts, text_indices=1, normalize_intermediates=True, intermediates_only=True
    )
    # Where the end token is: OpenAI's has the highest id, others say which it is.
    ends = texts == model.text_eos_id if model.text_pool_type == "eos" else texts
    at = ends.int().argmax(-1)
    features = last["text_intermediates"][-1][torch.arange(len(texts), device=at.device), at]
    return Projected(features, weight, features @ weight)


def check_pictures(model: nn.Module, images: Float[Tensor, "n 3 H W"]) -> None:
    """Raises ValueError for pictures of another size than the model's."""
    height, width = model.visual.image_size
    if tuple(images.shape[1:]) != (3, height, width):
        came = " x ".join(map(str, images.shape[1:]))
        raise ValueError(f"pictures of 3 x {height} x {width} are expected; got {came}")


def check_different(texts: Tensor) -> None:
    """texts: a row for each, of ids or of features. Raises ValueError where two are equal.

    Different words may be one text to the model: cut at its context, or without case and marks.
    """
    _, which, times = texts.unique(dim=0, return_inverse=True, return_counts=True)
    if (times > 1).any():
        first, second = (which == times.argmax()).nonzero().flatten()[:2] + 1
        raise ValueError(f"texts that differ for the model are expected; {first} and {second} are the same")
