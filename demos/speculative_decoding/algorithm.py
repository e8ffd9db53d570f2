"""Speculative decoding: a draft proposes, the target checks several tokens in one pass, and the text
is distributed exactly as the target's own.

Letters, as in Leviathan et al. (2023)
  p: the target's law         q: the law a drafted token was drawn from
  K: draft length (their gamma)    r: the uniform number that decides on a token
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from demos.speculative_decoding.drafts import Cached, Draft, ModelDraft, PromptLookup
from demos.speculative_decoding.sampling import Sampling, draw

TOP = 20  # tokens of each law that a block keeps


@dataclass(frozen=True)
class Top:
    """A law's likeliest tokens, their probabilities, and what all others have together."""

    tokens: tuple[int, ...]
    probabilities: tuple[float, ...]
    rest: float


@dataclass(frozen=True)
class Drafted:
    """One drafted token: p and q of it, the laws' tops, the draw r, and whether r < p/q."""

    token: int
    p: float
    q: float
    uniform: float
    accepted: bool
    p_top: Top
    q_top: Top


@dataclass(frozen=True)
class Block:
    """One round: K drafted tokens, one pass of the target over them, what came of it.

    drafted: up to the first rejection each was judged; later ones have accepted False and uniform nan.
    last: the token after the accepted ones; kind: "resampled" from the residual after a rejection,
    "bonus" from p after full acceptance. last_top: the law it was drawn from. new: the tokens that the
    text gained, cut after an end token. overlap: sum of min(p, q) at each judged position.
    caches: (target, draft) positions held before drafting, after the target's pass, after the cut.
    """

    drafted: tuple[Drafted, ...]
    last: int
    kind: str
    last_top: Top
    new: tuple[int, ...]
    overlap: tuple[float, ...]
    caches: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    draft_milliseconds: tuple[float, ...]
    target_milliseconds: float
    milliseconds: float

    @property
    def judged(self) -> int:
        """Drafted tokens that were looked at: the accepted ones and the first rejected."""
        return min(self.accepted + 1, len(self.drafted))

    @property
    def accepted(self) -> int:
        return sum(token.accepted for token in self.drafted)


@dataclass(frozen=True)
class SpeculationTrace:
    """A whole text. tokens [n]: the new ids; acceptance: mean sum of min(p, q), nan without drafts;
    milliseconds: the sum over blocks."""

    blocks: tuple[Block, ...]
    tokens: tuple[int, ...] = field(init=False)
    acceptance: float = field(init=False)
    milliseconds: float = field(init=False)

    def __post_init__(self) -> None:
        overlaps = [value for block in self.blocks for value in block.overlap]
        mean = sum(overlaps) / len(overlaps) if overlaps else float("nan")
        object.__setattr__(self, "tokens", tuple(t for block in self.blocks for t in block.new))
        object.__setattr__(self, "acceptance", mean)
        object.__setattr__(self, "milliseconds", sum(block.milliseconds for block in self.blocks))

    @classmethod
    def of(cls, blocks: Iterable[Block]) -> "SpeculationTrace":
        return cls(tuple(blocks))


def speculate(
    target,
    draft,
    prompt_ids: Int[Tensor, "1 T"],
    *,
    max_new_tokens: int,
    draft_length: int,
    sampling: Sampling,
    seed: int,
) -> Iterator[Block]:
    """Blocks of the text that continues prompt_ids, each as it is decided.

    target: a causal language model of transformers. draft: another that shares its tokenizer, the target
    itself (an oracle), or None for prompt lookup. The text ends at an end token, after max_new_tokens,
    or where the target's context is full. Raises ValueError for a prompt that is empty or longer than
    the context, for draft_length below 1 and max_new_tokens below 1.
    """
    ids, room = _start(target, prompt_ids, max_new_tokens)
    if draft_length < 1:
        raise ValueError(f"draft_length must be at least 1; got {draft_length}.")
    vocabulary = target.config.vocab_size
    reader = Cached(target, vocabulary)
    source: Draft = PromptLookup(vocabulary) if draft is None else ModelDraft(draft, vocabulary)
    random = torch.Generator().manual_seed(seed)
    ends = _ends(target)
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
    start = time.perf_counter()

    def uniform() -> float:
        return float(torch.rand((), generator=random, dtype=torch.float64))

    before = (target.cached, source.cached)
    tokens, q, draft_ms = source.propose(ids, length, sampling, uniform)
    logits, target_ms = target.read(ids + tokens, last=len(tokens) + 1)
    p = sampling.law(logits)
    read = (target.cached, source.cached)

    judged, overlap = [], []
    for x, p_x, q_x in zip(tokens, p, q, strict=False):
        overlap.append(float(torch.minimum(p_x, q_x).sum()))
        r = uniform()
        judged.append((r, accept(float(p_x[x]), float(q_x[x]), r)))
        if not judged[-1][1]:
            break
    accepted = sum(ok for _, ok in judged)
    full = accepted == len(tokens)
    law = p[accepted] if full else residual(p[accepted], q[accepted])
    last = draw(law, uniform())

    new = [*tokens[:accepted], last]
    cut = next((n for n, token in enumerate(new, 1) if token in ends), len(new))
    # What is kept of the caches was read as it now stands; the last token has not been read by anyone.
    target.keep(len(ids) + accepted)
    source.keep(len(ids) + accepted)
    judged += [(float("nan"), False)] * (len(tokens) - len(judged))
    p_tops, q_tops = tops(p[: len(tokens)]), tops(torch.stack(q)) if q else []
    return Block(
        drafted=tuple(
            Drafted(x, float(p[i, x]), float(q[i][x]), r, ok, p_tops[i], q_tops[i])
            for i, (x, (r, ok)) in enumerate(zip(tokens, judged, strict=True))
        ),
        last=last,
        kind="bonus" if full else "resampled",
        last_top=tops(law[None])[0],
        new=tuple(new[:cut]),
        overlap=tuple(overlap),
        caches=(before, read, (target.cached, source.cached)),
        draft_milliseconds=tuple(draft_ms),
        target_milliseconds=target_ms,
        milliseconds=(time.perf_counter() - start) * 1000,
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


@dataclass(frozen=True)
class Step:
    """One token of plain decoding, the law it was drawn from, and the pass's milliseconds."""

    token: int
    top: Top
    milliseconds: float


def decode(
    target, prompt_ids: Int[Tensor, "1 T"], *, max_new_tokens: int, sampling: Sampling, seed: int
) -> Iterator[Step]:
    """The plain loop: one pass of the target for each token. Errors and ends as in `speculate`."""
    ids, room = _start(target, prompt_ids, max_new_tokens)
    reader, ends = Cached(target, target.config.vocab_size), _ends(target)
    random = torch.Generator().manual_seed(seed)
    for _ in range(room):
        start = time.perf_counter()
        logits, _ = reader.read(ids, last=1)
        law = sampling.law(logits[0])
        ids.append(draw(law, float(torch.rand((), generator=random, dtype=torch.float64))))
        yield Step(ids[-1], tops(law[None])[0], (time.perf_counter() - start) * 1000)
        if ids[-1] in ends:
            return


def tops(laws: Float[Tensor, "n V"]) -> list[Top]:
    """The likeliest TOP tokens of each law."""
    values, index = laws.topk(min(TOP, laws.shape[-1]), dim=-1)
    rest = (1 - values.sum(-1)).clamp(min=0).tolist()
    rows = zip(index.tolist(), values.tolist(), rest, strict=True)
    return [Top(tuple(i), tuple(v), r) for i, v, r in rows]


def _start(target, prompt_ids: Tensor, max_new_tokens: int) -> tuple[list[int], int]:
    """The prompt's ids, and how many tokens there is room for."""
    ids, context = prompt_ids[0].tolist(), target.config.max_position_embeddings
    if not 1 <= len(ids) <= context:
        raise ValueError(f"The prompt must have 1 to {context} tokens; got {len(ids)}.")
    if max_new_tokens < 1:
        raise ValueError(f"max_new_tokens must be at least 1; got {max_new_tokens}.")
    return ids, min(max_new_tokens, context - len(ids) + 1)


def _ends(target) -> set[int]:
    end = target.generation_config.eos_token_id
    return set() if end is None else {end} if isinstance(end, int) else set(end)
