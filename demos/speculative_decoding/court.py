"""Is it lossless? Many samples of the first two tokens, under the right rule and under wrong ones.

Letters, as in algorithm.py: p, q. TV: total variation distance, half the sum of |difference|.
"""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from demos.kit.decoding import common, known
from demos.kit.sampling import Sampling
from demos.speculative_decoding.algorithm import residual

EXACT, MATCH = "accept with min(1, p/q), else residual", "exact match only"
ONE_SIDE = "temperature on one side"
RULES = {
    EXACT: "the rule of Leviathan et al. and Chen et al.",
    "resample from p": "after a rejection the token comes from p and not from the residual",
    "argmax draft": "the draft's likeliest token, judged as if it had been drawn from q",
    ONE_SIDE: "drawn from q at temperature 1, judged with q at the chosen one",
    "always accept": "every drafted token stays",
    MATCH: "a token is drawn from p, and the drafted one stays if it is the same",
}
STEPS = (500, 1000, 2000, 5000, 10_000, 20_000, 50_000)  # where the evidence is looked at
SIGMAS = 5
TOLD = 200  # the likeliest pairs that are told apart; all others are counted together

Laws = tuple[Tensor, Tensor, Tensor]  # p, q and the law that the draft is drawn from, [V] each


@dataclass(frozen=True)
class Verdict:
    """What `samples` samples under a rule say. first, pair: TV of the estimate to the target's law, of
    the first token and of the first two. acceptance: share of the drafted first tokens that stayed."""

    first: float
    pair: float
    acceptance: float


@dataclass(frozen=True)
class Hearing:
    """The verdicts on all rules after `samples` samples under each.

    first_noise, pair_noise: what the same distances are for samples of the target's law itself: their
    mean, and SIGMAS standard deviations above it. Below the second, a distance is noise.
    """

    samples: int
    verdicts: dict[str, Verdict]
    first_noise: tuple[float, float]
    pair_noise: tuple[float, float]

    def lossless(self, rule: str) -> bool:
        """Whether both distances of the rule lie within the noise."""
        said = self.verdicts[rule]
        return said.first <= self.first_noise[1] and said.pair <= self.pair_noise[1]


def judge(
    rule: str, p: Float[Tensor, " V"], q: Float[Tensor, " V"], drawn: Float[Tensor, " V"], n: int, random
) -> tuple[Int[Tensor, " n"], Bool[Tensor, " n"]]:
    """n tokens under a rule of RULES, and whether each was the drafted one.

    q: the law that judges; drawn: the law the draft really samples from, q itself but for the rule that
    is about the difference. Raises ValueError for an unknown rule.
    """
    if rule not in RULES:
        raise ValueError(f"rule must be one of {', '.join(RULES)}; got {rule}.")
    asked = drawn if rule == ONE_SIDE else q
    x = q.argmax().expand(n) if rule == "argmax draft" else pick(asked, n, random)
    if rule == "always accept":
        return x, torch.ones(n, dtype=torch.bool)
    if rule == MATCH:
        y = pick(p, n, random)
        return y, x == y
    ok = torch.rand(n, generator=random, dtype=torch.float64) * q[x] < p[x]
    left = p if rule == "resample from p" else residual(p, q)
    y = x.clone()
    y[~ok] = pick(left, int((~ok).sum()), random)
    return y, ok


def pick(law: Float[Tensor, " V"], n: int, random) -> Int[Tensor, " n"]:
    """n tokens of a law."""
    if n == 0:
        return torch.empty(0, dtype=torch.long)
    return torch.multinomial(law, n, replacement=True, generator=random)


def hear(
    target,
    draft,
    prompt_ids: Int[Tensor, "1 T"],
    *,
    sampling: Sampling,
    samples: int,
    seed: int,
    rules: tuple[str, ...] = tuple(RULES),
    before_pass: Callable[[], None] = lambda: None,
) -> Iterator[Hearing]:
    """What the samples say after 500, 1000, 2000, 5000 ... of them, up to `samples`, under each rule.

    The first token is judged by the laws after the prompt, the second, as a drafted one too, by those after
    the prompt and the first. Only the first tokens of the likeliest pairs need a second: the others belong
    to the rest whatever follows. before_pass is called before each pass and each batch of samples.
    """
    random = torch.Generator().manual_seed(seed)
    vocabulary = target.config.vocab_size
    (start,) = _laws((target, draft), prompt_ids, sampling, before_pass)
    p1 = start[0]
    likely = p1.topk(min(TOLD, int((p1 > 0).sum()))).indices
    ids = torch.cat([prompt_ids.expand(len(likely), -1), likely[:, None]], dim=1)
    after = _laws((target, draft), ids, sampling, before_pass)
    joint = p1[likely, None] * torch.stack([p for p, _, _ in after])
    top = joint.flatten().topk(min(TOLD, joint.numel()))
    wanted = likely[top.indices // vocabulary] * vocabulary + top.indices % vocabulary
    pair_law = torch.cat([top.values, (1 - top.values.sum()).clamp(min=0)[None]])
    followed = {int(likely[i]): after[i] for i in set((top.indices // vocabulary).tolist())}

    counts = {rule: _Counts(vocabulary, wanted) for rule in rules}
    done = 0
    for until in [n for n in STEPS if n < samples] + [samples]:
        for rule in rules:
            before_pass()
            first, kept = judge(rule, *start, until - done, random)
            counts[rule].add(first, _followers(rule, first, followed, random), kept)
        done = until
        yield Hearing(
            samples=done,
            verdicts={rule: seen.verdict(done, p1, pair_law) for rule, seen in counts.items()},
            first_noise=noise(p1, done, random),
            pair_noise=noise(pair_law, done, random),
        )


def _followers(rule: str, first: Int[Tensor, " n"], followed: dict[int, Laws], random) -> Int[Tensor, " n"]:
    """The second token after each first one under the rule; -1 where none is needed."""
    second = torch.full_like(first, -1)
    for x, laws in followed.items():
        here = (first == x).nonzero()[:, 0]
        second[here] = judge(rule, *laws, len(here), random)[0]
    return second


class _Counts:
    """How often each first token and each of the wanted pairs came; what is no wanted pair is last."""

    def __init__(self, vocabulary: int, wanted: Int[Tensor, " n"]):
        self.vocabulary, self.kept = vocabulary, 0
        self.wanted, self.order = wanted.sort()
        self.firsts, self.pairs = torch.zeros(vocabulary), torch.zeros(len(wanted) + 1)

    def add(self, first: Int[Tensor, " n"], second: Int[Tensor, " n"], kept: Bool[Tensor, " n"]) -> None:
        self.firsts += torch.bincount(first, minlength=self.vocabulary)
        pair = torch.where(second < 0, -1, first * self.vocabulary + second)
        at = torch.searchsorted(self.wanted, pair).clamp(max=len(self.wanted) - 1)
        place = torch.where(self.wanted[at] == pair, self.order[at], len(self.wanted))
        self.pairs += torch.bincount(place, minlength=len(self.pairs))
        self.kept += int(kept.sum())

    def verdict(self, done: int, law: Float[Tensor, " V"], pair_law: Float[Tensor, " n"]) -> Verdict:
        first, pair = distance(self.firsts / done, law), distance(self.pairs / done, pair_law)
        return Verdict(first, pair, self.kept / done)


def distance(a: Float[Tensor, " V"], b: Float[Tensor, " V"]) -> float:
    """TV of two laws."""
    return float((a - b).abs().sum() / 2)


def noise(law: Float[Tensor, " V"], samples: int, random, trials: int = 400) -> tuple[float, float]:
    """TV(estimate, law) of estimates from `samples` samples of the law: mean, and SIGMAS deviations above.

    Each cell's count is drawn as a Poisson number, or a normal one where it is large; taking each cell's
    share of the sum's error away leaves the covariance of a multinomial, whose counts add up.
    """
    mean = law * samples
    distances = []
    for _ in range(trials):
        count = torch.where(
            mean < 50,
            torch.poisson(mean, generator=random),
            mean + mean.sqrt() * torch.randn(len(law), generator=random),
        )
        error = count - mean
        distances.append(float((error - law * error.sum()).abs().sum()) / samples / 2)
    average = statistics.fmean(distances)
    return average, average + SIGMAS * statistics.stdev(distances)


@torch.inference_mode()
def _laws(
    models: tuple, ids: Int[Tensor, "n T"], sampling: Sampling, before_pass: Callable[[], None]
) -> list[Laws]:
    """The laws after each row of ids: target's, draft's, and draft's at temperature 1, over the target's
    vocabulary."""
    vocabulary, out = models[0].config.vocab_size, []
    for part in ids.split(64):
        logits = []
        for model in models:
            before_pass()
            rows = model(input_ids=known(model, part), logits_to_keep=1).logits[:, -1]
            logits.append(common(rows, vocabulary))
        p, q = (sampling.law(rows) for rows in logits)
        hot = Sampling(1.0, sampling.top_k, sampling.top_p).law(logits[1])
        out += zip(p, q, hot, strict=True)
    return out
