"""Speculative and plain decoding of one prompt, and what theory says of their speeds.

Letters, as in Leviathan et al. (2023)
  alpha: acceptance, the mean of sum min(p, q)     K: draft length (their gamma)
  c: cost of a draft pass over that of a target pass of one position
  v: cost of a target pass over K+1 positions over that of one (1 in the paper)
"""

import statistics
from dataclasses import dataclass

from demos.kit.decoding import Step
from demos.speculative_decoding.trace import SpeculationTrace

MOST = 8  # draft lengths that are compared


def tokens_per_pass(alpha: float, K: int) -> float:
    """Expected tokens of a block: (1 - alpha^(K+1)) / (1 - alpha) (their equation 1)."""
    return sum(alpha**k for k in range(K + 1))


def speedup(alpha: float, c: float, K: int, v: float = 1.0) -> float:
    """Expected speed over plain decoding: tokens of a block over its cost K c + v (their theorem 3.8)."""
    return tokens_per_pass(alpha, K) / (K * c + v)


def best_length(alpha: float, c: float, v: float) -> int:
    """The K in 1..MOST of the highest expected speed."""
    return max(range(1, MOST + 1), key=lambda K: speedup(alpha, c, K, v))


@dataclass(frozen=True)
class Costs:
    """alpha, c and v as one run measured them; draft, target, verify: median milliseconds of a draft
    pass, of a target pass over one position and over K+1 positions."""

    alpha: float
    c: float
    v: float
    K: int
    draft: float
    target: float
    verify: float


@dataclass(frozen=True)
class Race:
    """Both ways to continue a prompt. draft_length: K as asked for; done: whether both have ended."""

    prompt: tuple[int, ...]
    speculative: SpeculationTrace
    plain: tuple[Step, ...]
    draft_length: int
    done: bool

    @property
    def plain_milliseconds(self) -> float:
        return sum(step.milliseconds for step in self.plain)

    @property
    def speculative_rate(self) -> float:
        """Tokens a second."""
        return len(self.speculative.tokens) / self.speculative.milliseconds * 1000

    @property
    def plain_rate(self) -> float:
        """Tokens a second."""
        return len(self.plain) / self.plain_milliseconds * 1000

    @property
    def measured_speedup(self) -> float:
        return self.speculative_rate / self.plain_rate

    @property
    def tokens_per_pass(self) -> float:
        """New tokens for each pass of the target."""
        return len(self.speculative.tokens) / len(self.speculative.blocks)

    @property
    def passes_saved(self) -> int:
        """Target passes that plain decoding would have needed more for the same number of tokens."""
        return len(self.speculative.tokens) - len(self.speculative.blocks)

    @property
    def no_costs(self) -> str:
        """Why the theory does not apply to this race, "" where it does."""
        blocks = self.speculative.blocks
        if not self.done:
            return "The race is not over yet."
        if len(self.plain) < 2 or len(blocks) < 2:
            return "The text is too short to measure what a pass costs."
        if not any(block.draft_passes for block in blocks):
            return "Prompt lookup drafts only where the text repeats itself, so no one K and c describe it."
        if not any(len(block.drafted) == self.draft_length for block in blocks[1:]):
            return "The text is too short to measure what a pass costs."
        return ""

    @property
    def passes_milliseconds(self) -> float:
        """What the passes of the speculative text took; the rest is judging and keeping the record."""
        blocks = self.speculative.blocks
        return sum(sum(block.draft_milliseconds) + block.target_milliseconds for block in blocks)

    def costs(self) -> Costs | None:
        """The measured letters, or None: see `no_costs`.

        The first block and step read the prompt, so they do not count; nor do blocks shorter than K.
        """
        if self.no_costs:
            return None
        K = self.draft_length
        blocks = [block for block in self.speculative.blocks[1:] if len(block.drafted) == K]
        draft = statistics.median(ms for block in blocks for ms in block.draft_milliseconds)
        target = statistics.median(step.target_pass.milliseconds for step in self.plain[1:])
        verify = statistics.median(block.target_milliseconds for block in blocks)
        alpha = min(self.speculative.acceptance, 1.0)
        return Costs(alpha, draft / target, verify / target, K, draft, target, verify)

    @property
    def nbytes(self) -> int:
        """About what the record weighs in memory: some 100 numbers of 32 bytes for a drafted token."""
        drafted = sum(len(block.drafted) for block in self.speculative.blocks)
        return 3200 * (drafted + len(self.speculative.blocks) + len(self.plain))
