"""Where drafted tokens come from: a small model, the text itself, or the target.

Letters, as in Leviathan et al. (2023)
  q: the law a drafted token was drawn from    K: draft length (their gamma)
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from demos.kit.decoding import Cached, Pass
from demos.kit.sampling import Sampling, draw


@runtime_checkable
class Draft(Protocol):
    """A source of drafts. cached: positions that it has keys and values of."""

    cached: int

    def propose(
        self, ids: list[int], length: int, sampling: Sampling, uniform: Callable[[], float]
    ) -> tuple[list[int], list[Float[Tensor, " V"]], list[Pass]]:
        """Up to `length` tokens after ids, the law q of each [V], and the passes that it took."""

    def keep(self, length: int) -> None:
        """Forget everything after the first `length` positions."""


class ModelDraft(Cached):
    """A small model that shares the target's tokenizer; the target itself is the limit, an oracle."""

    def propose(self, ids, length, sampling, uniform):
        tokens, laws, passes = [], [], []
        room = (
            self.model.config.max_position_embeddings - len(ids) + 1
        )  # beyond its context it drafts nothing
        for _ in range(min(length, room)):
            logits, took = self.read(ids + tokens, last=1)
            laws.append(sampling.law(logits[0]))
            tokens.append(draw(laws[-1], uniform()))
            passes.append(took)
        return tokens, laws, passes


class PromptLookup:
    """No model: what followed the last few tokens when they stood in the text before.

    The longest n-gram of up to `longest` tokens that occurs earlier is continued from its latest place;
    each proposed token has q = 1 (Saxena 2023, Prompt Lookup Decoding).
    """

    def __init__(self, vocabulary: int, longest: int = 3):
        self.vocabulary, self.longest, self.cached = vocabulary, longest, 0

    def propose(self, ids, length, sampling, uniform):
        for n in range(min(self.longest, len(ids) - 1), 0, -1):
            end = ids[-n:]
            for at in range(len(ids) - n - 1, -1, -1):
                if ids[at : at + n] == end:
                    tokens = ids[at + n : at + n + length]
                    return tokens, [self._certain(token) for token in tokens], []
        return [], [], []

    def keep(self, length: int) -> None:
        """There is nothing to forget."""

    def _certain(self, token: int) -> Float[Tensor, " V"]:
        law = torch.zeros(self.vocabulary)
        law[token] = 1.0
        return law
