"""Speculative decoding: a draft proposes, the target checks several tokens in one pass, and the text
is distributed exactly as the target's own.

Letters, as in Leviathan et al. (2023)
  p: the target's law         q: the law a drafted token was drawn from
  K: draft length (their gamma)    r: the uniform number that decides on a token
"""

import time
from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor

from demos.kit.decoding import Cached, ends_of, start
from demos.kit.sampling import Sampling, draw, tops
from demos.speculative_decoding.drafts import Draft, ModelDraft, PromptLookup
from demos.speculative_decoding.trace import Block, Drafted
from demos.speculative_decoding.trace import SpeculationTrace as SpeculationTrace


def speculate(
    target,
    draft,
    prompt_ids: Int[Tensor, "1 T"],
    *,
    max_new_tokens: int,
    draft_length: int,
    sampling: Sampling,
    seed: int,
    before_pass: Callable[[], None] = lambda: None,
) -> Iterator[Block]:
    """Blocks of the text that continues prompt_ids, each as it is decided.

    target: a causal language model of transformers. draft: another that shares its tokenizer, the target
    itself (an oracle), or None for prompt lookup. The text ends at an end token, after max_new_tokens,
    or where the target's context is full. Raises ValueError for a prompt that is empty or longer than
    the context, for draft_length below 1 and max_new_tokens below 1. before_pass is called before each
    pass of a model; what it raises ends the run there.
    """
    ids, room = start(target, prompt_ids, max_new_tokens)
    if draft_length < 1:
        raise ValueError(f"draft_length must be at least 1; got {draft_length}.")
    vocabulary = target.config.vocab_size
    reader = Cached(target, vocabulary, before_pass)
    source: Draft = PromptLookup(vocabulary) if draft is None else ModelDraft(draft, vocabulary, before_pass)
    random = torch.Generator().manual_seed(seed)
    ends = ends_of(target)
    while room > 0:
        block = _block(reader, source, ids, min(draft_length, room - 1), sampling, random, ends)
        ids += block.new
        room -= len(block.new)
        yield block
        if block.new[-1] in ends:
            return


def _block(
    target: Cached, source: Draft, ids: list[int], length: int, sampling: Sampling, random, ends: set[int]
) -> Block:
    begun = time.perf_counter()

    def uniform() -> float:
        return float(torch.rand((), generator=random, dtype=torch.float64))

    before = (target.cached, source.cached)
    tokens, q, draft_passes = source.propose(ids, length, sampling, uniform)
    logits, target_pass = target.read(ids + tokens, last=len(tokens) + 1)
    p = sampling.law(logits)
    read = (target.cached, source.cached)

    judged = []
    for x, p_x, q_x in zip(tokens, p, q, strict=False):
        r = uniform()
        judged.append((r, accept(float(p_x[x]), float(q_x[x]), r)))
        if not judged[-1][1]:
            break
    accepted = sum(ok for _, ok in judged)
    full = accepted == len(tokens)
    law = p[accepted] if full else residual(p[accepted], q[accepted])
    last_uniform = uniform()
    last = draw(law, last_uniform)

    new = [*tokens[:accepted], last]
    cut = next((n for n, token in enumerate(new, 1) if token in ends), len(new))
    # What is kept of the caches was read as it now stands; the last token has not been read by anyone.
    target.keep(len(ids) + accepted)
    source.keep(len(ids) + accepted)
    judged += [(float("nan"), False)] * (len(tokens) - len(judged))
    return Block(
        drafted=_drafted(tokens, judged, p[:-1], torch.stack(q)) if tokens else (),
        last=last,
        kind="target" if not tokens else "bonus" if full else "resampled",
        last_p=float(law[last]),
        last_uniform=last_uniform,
        last_top=tops(law[None])[0],
        new=tuple(new[:cut]),
        caches=(before, read, (target.cached, source.cached)),
        draft_passes=tuple(draft_passes),
        target_pass=target_pass,
        begun=begun,
        milliseconds=(time.perf_counter() - begun) * 1000,
    )


def _drafted(
    tokens: list[int], judged: list[tuple[float, bool]], p: Float[Tensor, "K V"], q: Float[Tensor, "K V"]
) -> tuple[Drafted, ...]:
    """The record of each drafted token."""
    at = torch.tensor(tokens)[:, None]
    p_tops, q_tops = tops(p), tops(q)
    columns = zip(
        tokens,
        p.gather(1, at)[:, 0].tolist(),
        q.gather(1, at)[:, 0].tolist(),
        judged,
        p_tops,
        q_tops,
        q.gather(1, torch.tensor([top.tokens for top in p_tops])).tolist(),
        p.gather(1, torch.tensor([top.tokens for top in q_tops])).tolist(),
        torch.minimum(p, q).sum(-1).tolist(),
        strict=True,
    )
    return tuple(
        Drafted(x, p_x, q_x, r, ok, p_top, q_top, tuple(q_there), tuple(p_there), overlap)
        for x, p_x, q_x, (r, ok), p_top, q_top, q_there, p_there, overlap in columns
    )


def accept(p: float, q: float, r: float) -> bool:
    """Whether a token of target probability p and draft probability q stays: with min(1, p/q)."""
    return r * q < p


def residual(p: Float[Tensor, " V"], q: Float[Tensor, " V"]) -> Float[Tensor, " V"]:
    """norm(max(0, p - q)): what the target has beyond the draft.

    It is empty only where p = q up to rounding; then a rejection cannot happen but by rounding, and p
    itself is right.
    """
    left = (p - q).clamp(min=0)
    total = left.sum()
    return left / total if total > 0 else p
