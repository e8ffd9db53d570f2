"""One prompt continued by two models, a full one and a changed one, with the same draws.

Letters: p, the full model's law of the next token; q, the changed model's; both as the models give them,
before temperature, top-k and top-p.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from demos.kit.decoding import Cached, ends_of, start
from demos.kit.sampling import Sampling, draw

SHOWN = 8  # tokens of each law


@dataclass(frozen=True)
class Parting:
    """The first place where the texts differ. index: of the new token.

    tokens: the likeliest SHOWN of either law and the two that were taken, by p. p, q: their probabilities.
    taken: the full model's token, the changed one's.
    """

    index: int
    tokens: tuple[int, ...]
    p: tuple[float, ...]
    q: tuple[float, ...]
    taken: tuple[int, int]


@dataclass(frozen=True)
class Pair:
    """Both texts so far. full, changed: (token, its probability under its own model) of each new token."""

    full: tuple[tuple[int, float], ...]
    changed: tuple[tuple[int, float], ...]
    parting: Parting | None
    done: bool


def continue_both(
    full,
    changed,
    ids: Int[Tensor, "1 T"],
    *,
    max_new_tokens: int,
    sampling: Sampling,
    seed: int,
    before_pass: Callable[[], None] = lambda: None,
) -> Iterator[Pair]:
    """The two texts, a token of each at a time.

    Token n of both is drawn with the same number from [0, 1), so that equal laws give equal tokens. Errors
    and ends as in decoding.decode.
    """
    texts = [_steps(model, ids, max_new_tokens, sampling, seed, before_pass) for model in (full, changed)]
    written: list[list[tuple[int, float]]] = [[], []]
    parting = None
    while True:
        steps = [next(text, None) for text in texts]
        if steps == [None, None]:
            break
        for side, step in zip(written, steps, strict=True):
            if step is not None:
                token, law = step
                side.append((token, float(law[token])))
        if parting is None and None not in steps and steps[0][0] != steps[1][0]:
            parting = _parting(len(written[0]) - 1, *steps)
        yield Pair(tuple(written[0]), tuple(written[1]), parting, False)
    yield Pair(tuple(written[0]), tuple(written[1]), parting, True)


def _steps(
    model, prompt: Tensor, max_new_tokens: int, sampling: Sampling, seed: int, before_pass
) -> Iterator[tuple[int, Float[Tensor, " V"]]]:
    """Each new token, and the model's own law that foretold it."""
    ids, room = start(model, prompt, max_new_tokens)
    reader, last = Cached(model, model.config.vocab_size, before_pass), ends_of(model)
    random = torch.Generator().manual_seed(seed)
    for _ in range(room):
        logits, _ = reader.read(ids, last=1)
        uniform = float(torch.rand((), generator=random, dtype=torch.float64))
        ids.append(draw(sampling.law(logits[0]), uniform))
        yield ids[-1], logits[0].softmax(-1)
        if ids[-1] in last:
            return


def _parting(index: int, full: tuple[int, Tensor], changed: tuple[int, Tensor]) -> Parting:
    (one, p), (other, q) = full, changed
    most = min(SHOWN, len(p))
    named = {*p.topk(most).indices.tolist(), *q.topk(most).indices.tolist(), one, other}
    tokens = sorted(named, key=lambda token: float(p[token]), reverse=True)
    return Parting(index, tuple(tokens), tuple(p[tokens].tolist()), tuple(q[tokens].tolist()), (one, other))
