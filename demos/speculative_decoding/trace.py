"""What a run of speculative decoding leaves behind: every token, law, draw, cache length and pass.

Letters, as in algorithm.py: p, q, K, r.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from demos.kit.decoding import Pass
from demos.kit.sampling import Top


@dataclass(frozen=True)
class Drafted:
    """One drafted token: p and q of it, the laws' tops, the draw r, and whether r < p/q.

    q_of_p_top: q of the tokens of p_top; p_of_q_top: p of those of q_top. overlap: sum of min(p, q).
    """

    token: int
    p: float
    q: float
    uniform: float
    accepted: bool
    p_top: Top
    q_top: Top
    q_of_p_top: tuple[float, ...]
    p_of_q_top: tuple[float, ...]
    overlap: float


@dataclass(frozen=True)
class Block:
    """One round: K drafted tokens, one pass of the target over them, what came of it.

    drafted: up to the first rejection each was judged; later ones have accepted False and uniform nan.
    last: the token after the accepted ones; kind: "resampled" from the residual after a rejection,
    "bonus" from p after full acceptance, "target" from p where nothing had been drafted. last_top, last_p:
    the law it was drawn from and its probability there; last_uniform: the draw. new: the tokens that the
    text gained, cut after an end token. caches: (target, draft) positions held before drafting, after
    the target's pass, after the cut. begun: seconds, on the clock of the passes; milliseconds: all of
    the block, the judging and this record included.
    """

    drafted: tuple[Drafted, ...]
    last: int
    kind: str
    last_p: float
    last_uniform: float
    last_top: Top
    new: tuple[int, ...]
    caches: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    draft_passes: tuple[Pass, ...]
    target_pass: Pass
    begun: float
    milliseconds: float

    @property
    def draft_milliseconds(self) -> tuple[float, ...]:
        return tuple(each.milliseconds for each in self.draft_passes)

    @property
    def target_milliseconds(self) -> float:
        return self.target_pass.milliseconds

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
        overlaps = [d.overlap for block in self.blocks for d in block.drafted[: block.judged]]
        mean = sum(overlaps) / len(overlaps) if overlaps else float("nan")
        object.__setattr__(self, "tokens", tuple(t for block in self.blocks for t in block.new))
        object.__setattr__(self, "acceptance", mean)
        object.__setattr__(self, "milliseconds", sum(block.milliseconds for block in self.blocks))

    @classmethod
    def of(cls, blocks: Iterable[Block]) -> "SpeculationTrace":
        return cls(tuple(blocks))
