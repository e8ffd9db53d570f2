"""What a word evokes: the nearest pictures of a text, the nearest words of a picture, and sums of both."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Nearest:
    """The k nearest, the best first. index: which; score: their cosines with the query."""

    index: Int[Tensor, " k"]
    score: Float[Tensor, " k"]


def nearest(
    query: Float[Tensor, " De"],
    features: Float[Tensor, "n De"],
    k: int,
    *,
    without: Sequence[int] = (),
) -> Nearest:
    """The k rows of `features` (of length 1) with the highest cosine; all where there are fewer.

    without: rows that are left out, as the parts of the query, which would otherwise come first.
    """
    scores = features @ (query / query.norm())
    left_out = torch.zeros(len(scores), dtype=torch.bool, device=scores.device)
    left_out[list(without)] = True
    top = scores.masked_fill(left_out, -math.inf).topk(min(k, len(scores) - int(left_out.sum())))
    return Nearest(top.indices, top.values)


def mix(parts: Sequence[Float[Tensor, " De"]], signs: Sequence[float]) -> Float[Tensor, " De"]:
    """The sum of vectors of length 1, each with its sign, brought to length 1 again.

    Raises ValueError for no parts, and where they cancel out, as a sum of nothing has no direction.
    """
    total = sum(sign * part for part, sign in zip(parts, signs, strict=True))
    if not parts or total.norm() < 1e-4:
        raise ValueError("What is added and what is taken away cancel out; nothing is left to look for.")
    return total / total.norm()
