"""From logits to the law that a token is drawn from."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

TOP = 20  # tokens of a law that are kept


@dataclass(frozen=True)
class Sampling:
    """How a law is made of logits, in this order: temperature, top-k, top-p.

    temperature: logits are divided by it; 0 is greedy, a law of one token. top_k: only the k likeliest
    tokens stay; 0 keeps all. top_p: only the likeliest tokens whose sum reaches p stay; 1 keeps all.
    Raises ValueError with what was expected and what came.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        for holds, words in (
            (self.temperature >= 0, f"temperature must be at least 0; got {self.temperature}"),
            (self.top_k >= 0, f"top_k must be at least 0; got {self.top_k}"),
            (0 < self.top_p <= 1, f"top_p must be in (0, 1]; got {self.top_p}"),
        ):
            if not holds:
                raise ValueError(f"{words}.")

    def law(self, logits: Float[Tensor, "*n V"]) -> Float[Tensor, "*n V"]:
        """The probabilities of the next token, in float32, of logits of any floating type."""
        logits = logits.float()
        if self.temperature == 0:
            best = logits.argmax(-1, keepdim=True)
            return torch.zeros_like(logits).scatter_(-1, best, 1.0)
        logits = logits / self.temperature
        if 0 < self.top_k < logits.shape[-1]:
            least = logits.topk(self.top_k, dim=-1).values[..., -1:]
            logits = logits.masked_fill(logits < least, -torch.inf)
        if self.top_p < 1:
            ordered, index = logits.sort(-1, descending=True)
            p = ordered.softmax(-1)
            # A token goes if those before it already reach p; the likeliest always stays.
            gone = p.cumsum(-1) - p >= self.top_p
            logits = logits.masked_fill(gone.scatter(-1, index, gone), -torch.inf)
        return logits.softmax(-1)


def draw(law: Float[Tensor, " V"], uniform: float) -> int:
    """The token in whose interval of the cumulative law `uniform`, from [0, 1), falls."""
    cumulative = law.double().cumsum(0)
    token = int(torch.searchsorted(cumulative, uniform * cumulative[-1], right=True))
    return min(token, int(law.nonzero()[-1]))  # rounding must not reach a token of probability 0


@dataclass(frozen=True)
class Top:
    """A law's likeliest tokens, their probabilities, and what all others have together."""

    tokens: tuple[int, ...]
    probabilities: tuple[float, ...]
    rest: float


def tops(laws: Float[Tensor, "n V"]) -> list[Top]:
    """The likeliest TOP tokens of each law."""
    values, index = laws.topk(min(TOP, laws.shape[-1]), dim=-1)
    rest = (1 - values.sum(-1)).clamp(min=0).tolist()
    rows = zip(index.tolist(), values.tolist(), rest, strict=True)
    return [Top(tuple(i), tuple(v), r) for i, v, r in rows]
