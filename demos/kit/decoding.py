"""A causal language model that goes on with a text, token by token, and the record of each step."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from demos.kit.sampling import Sampling, Top, draw, tops


@dataclass(frozen=True)
class Pass:
    """One pass of a model: when it began, as time.perf_counter() says, and how long it took."""

    begun: float  # seconds
    milliseconds: float


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


@dataclass(frozen=True)
class Step:
    """One token of plain decoding, the law it was drawn from, the pass, and the whole step's time."""

    token: int
    top: Top
    target_pass: Pass
    begun: float
    milliseconds: float


def decode(
    target,
    prompt_ids: Int[Tensor, "1 T"],
    *,
    max_new_tokens: int,
    sampling: Sampling,
    seed: int,
    before_pass: Callable[[], None] = lambda: None,
) -> Iterator[Step]:
    """The plain loop: one pass of the target for each token.

    Raises ValueError for a prompt that is empty or longer than the context, and for max_new_tokens below
    1. The text ends at an end token, after max_new_tokens, or where the target's context is full.
    before_pass is called before each pass; what it raises ends the run there.
    """
    ids, room = start(target, prompt_ids, max_new_tokens)
    reader, last = Cached(target, target.config.vocab_size, before_pass), ends_of(target)
    random = torch.Generator().manual_seed(seed)
    for _ in range(room):
        begun = time.perf_counter()
        logits, took = reader.read(ids, last=1)
        law = sampling.law(logits[0])
        ids.append(draw(law, float(torch.rand((), generator=random, dtype=torch.float64))))
        yield Step(ids[-1], tops(law[None])[0], took, begun, (time.perf_counter() - begun) * 1000)
        if ids[-1] in last:
            return


def start(target, prompt_ids: Tensor, max_new_tokens: int) -> tuple[list[int], int]:
    """The prompt's ids, and how many tokens there is room for."""
    ids, context = prompt_ids[0].tolist(), target.config.max_position_embeddings
    if not 1 <= len(ids) <= context:
        raise ValueError(f"The prompt must have 1 to {context} tokens; got {len(ids)}.")
    if max_new_tokens < 1:
        raise ValueError(f"max_new_tokens must be at least 1; got {max_new_tokens}.")
    return ids, min(max_new_tokens, context - len(ids) + 1)


def ends_of(target) -> set[int]:
    """The tokens after which the target's text ends."""
    end = target.generation_config.eos_token_id
    return set() if end is None else {end} if isinstance(end, int) else set(end)
