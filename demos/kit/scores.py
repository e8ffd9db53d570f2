"""How well a language model foretells a text, and how far its laws are from another's.

Letters: p, the full model's law of the next token; q, the changed model's. Losses and divergences in nats.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor


@dataclass(frozen=True)
class Score:
    """A model on a text, of which `tokens` were foretold.

    loss: mean of -ln q(token). full_loss: the full model's on the same tokens. divergence: mean of
    KL(p || q) = sum p ln(p / q). same: share of places where both have the same likeliest token.
    """

    tokens: int
    loss: float
    full_loss: float
    divergence: float
    same: float

    @property
    def perplexity(self) -> float:
        return _exp(self.loss)

    @property
    def full_perplexity(self) -> float:
        return _exp(self.full_loss)


def _exp(loss: float) -> float:
    return math.exp(loss) if loss < 700 else math.inf


@torch.inference_mode()
def score(
    changed,
    full,
    ids: Int[Tensor, "n T"],
    *,
    at_once: int = 4,
    before_pass: Callable[[], None] = lambda: None,
) -> Iterator[Score]:
    """The score over all sequences read so far, after each `at_once` of them.

    changed, full: causal language models of transformers with one vocabulary. The two read the same
    sequences in turn, so that no law need be kept. Raises ValueError for sequences of one token.
    """
    if ids.shape[1] < 2:
        raise ValueError(f"Sequences must have at least 2 tokens; got {ids.shape[1]}.")
    sums, tokens = torch.zeros(4, dtype=torch.float64), 0
    for part in ids.split(at_once):
        before_pass()
        log_q, log_p = (_log_law(model, part) for model in (changed, full))
        after = part[:, 1:, None].to(log_p.device)
        sums += torch.stack(
            [
                -log_q.gather(-1, after).double().sum(),
                -log_p.gather(-1, after).double().sum(),
                _divergence(log_p, log_q),
                (log_q.argmax(-1) == log_p.argmax(-1)).double().sum(),
            ]
        ).cpu()
        tokens += after.numel()
        loss, full_loss, divergence, same = (sums / tokens).tolist()
        yield Score(tokens, loss, full_loss, max(divergence, 0.0), same)  # no rounding below 0


def _log_law(model, ids: Int[Tensor, "n T"]) -> Tensor:
    """The log-probabilities of the token after each but the last, [n, T-1, V] in float32."""
    logits = model(input_ids=ids.to(model.device), use_cache=False).logits[:, :-1]
    return logits.float().log_softmax(-1)


@dataclass(frozen=True)
class Agreement:
    """Two classifiers on the same pictures, `pictures` of them so far.

    divergence: mean of KL(p || q) of their answers. same: share of pictures with the same answer.
    """

    pictures: int
    divergence: float
    same: float


@torch.inference_mode()
def agree(
    changed, full, batches: Iterable[dict[str, Tensor]], before_pass: Callable[[], None] = lambda: None
) -> Iterator[Agreement]:
    """How alike the answers are over all batches so far. changed, full: classifiers of transformers."""
    sums, pictures = torch.zeros(2, dtype=torch.float64), 0
    for batch in batches:
        before_pass()
        log_q, log_p = (model(**batch).logits.float().log_softmax(-1) for model in (changed, full))
        divergence = _divergence(log_p, log_q)
        sums += torch.stack([divergence, (log_q.argmax(-1) == log_p.argmax(-1)).double().sum()]).cpu()
        pictures += len(log_p)
        divergence, same = (sums / pictures).tolist()
        yield Agreement(pictures, max(divergence, 0.0), same)


def _divergence(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Sum of KL(p || q) over all places. 0 ln 0 is 0."""
    return torch.where(log_p > -torch.inf, log_p.exp() * (log_p - log_q), 0.0).double().sum()
