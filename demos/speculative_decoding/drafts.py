"""Where drafted tokens come from: a small model, the text itself, or the target.

Letters, as in Leviathan et al. (2023)
  q: the law a drafted token was drawn from    K: draft length (their gamma)
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from demos.speculative_decoding.sampling import Sampling, draw


@dataclass(frozen=True)
class Pass:
    """One pass of a model: when it began, as time.perf_counter() says, and how long it took."""

    begun: float  # seconds
    milliseconds: float


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


def known(model, ids: Int[Tensor, "n T"]) -> Int[Tensor, "n T"]:
    """The ids on the model's device, none beyond its vocabulary.

    A padded vocabulary of the target may hold ids that the draft lacks. It reads its last id instead: a
    worse guess, never a wrong text.
    """
    return ids.to(model.device).clamp(max=model.config.vocab_size - 1)


def common(logits: Float[Tensor, "*n U"], vocabulary: int) -> Float[Tensor, "*n V"]:
    """The columns of the common vocabulary: what the model lacks is -inf, what it has beyond is cut."""
    logits = logits[..., :vocabulary].float().cpu()  # waits for the device
    lacking = vocabulary - logits.shape[-1]
    return torch.nn.functional.pad(logits, (0, lacking), value=-torch.inf) if lacking else logits


class Cached:
    """A causal language model with the keys and values of the tokens it has read.

    before_pass: called before each pass; what it raises ends the run there.
    """

    def __init__(self, model, vocabulary: int, before_pass: Callable[[], None] = lambda: None):
        self.model, self.vocabulary, self.before_pass = model, vocabulary, before_pass
        self.cache, self.cached = None, 0

    @torch.inference_mode()
    def read(self, ids: list[int], last: int) -> tuple[Float[Tensor, "last V"], Pass]:
        """Reads what is new in ids, of which it has the first `cached` already.

        Returns the logits after each of the last `last` tokens, and the pass.
        """
        self.before_pass()
        begun = time.perf_counter()
        new = known(self.model, torch.tensor([ids[self.cached :]]))
        out = self.model(input_ids=new, cache=self.cache, use_cache=True, logits_to_keep=last)
        self.cache, self.cached = out.cache, len(ids)
        logits = common(out.logits[0, -last:], self.vocabulary)
        return logits, Pass(begun, (time.perf_counter() - begun) * 1000)

    def keep(self, length: int) -> None:
        """Forgets everything after the first `length` positions."""
        if self.cached > length:
            self.cache.crop(length - self.cached)  # a negative number: how many to remove
            self.cached = length


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
