"""Is it lossless? Many samples of the first two tokens, under the right rule and under wrong ones.

Letters, as in algorithm.py: p, q. TV: total variation distance, half the sum of |difference|.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from demos.speculative_decoding.algorithm import residual
from demos.speculative_decoding.sampling import Sampling

EXACT, MATCH = "accept with min(1, p/q), else residual", "exact match only"
RULES = {
    EXACT: "the rule of Leviathan et al. and Chen et al.",
    "resample from p": "after a rejection the token comes from p and not from the residual",
    "argmax draft": "the draft's likeliest token, judged as if it had been drawn from q",
    "temperature on one side": "drawn from q at temperature 1, judged with q at the chosen one",
    "always accept": "every drafted token stays",
    MATCH: "a token is drawn from p, and the drafted one stays if it is the same",
}
STEPS = (500, 1000, 2000, 5000, 10_000, 20_000, 50_000)  # where the evidence is looked at
SIGMAS = 4
PAIRS = 200  # the likeliest pairs that are told apart; all others are counted together


@dataclass(frozen=True)
class Verdict:
    """What `samples` samples under a rule say. first, pair: TV of the estimate to the target's law, of
    the first token and of the first two. acceptance: share of drafted tokens that stayed."""

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
    if rule == "argmax draft":
        x = q.argmax().expand(n)
    else:
        x = pick(drawn if rule == "temperature on one side" else q, n, random)
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

    Whatever the block, the token at a place is judged by the laws after the tokens before it; so the
    first is judged by the laws after the prompt, and the second by those after the prompt and the first.
    """
    random = torch.Generator().manual_seed(seed)
    vocabulary = target.config.vocab_size
    laws = _Laws(target, draft, prompt_ids, sampling, vocabulary, before_pass)
    ((p1, _, _),) = laws.after([()])
    likely = p1.topk(min(PAIRS, int((p1 > 0).sum()))).indices
    p2 = torch.stack([p for p, _, _ in laws.after([(x,) for x in likely.tolist()])])
    joint = p1[likely, None] * p2
    top = joint.flatten().topk(min(PAIRS, joint.numel()))
    wanted = likely[top.indices // vocabulary] * vocabulary + top.indices % vocabulary
    pair_law = torch.cat([top.values, (1 - top.values.sum()).clamp(min=0)[None]])

    counts = {rule: _Counts(vocabulary, wanted) for rule in rules}
    done = 0
    for until in [n for n in STEPS if n < samples] + [samples]:
        for rule in rules:
            counts[rule].add(*_two_tokens(rule, laws, until - done, random))
        done = until
        yield Hearing(
            samples=done,
            verdicts={
                rule: Verdict(
                    distance(seen.firsts / done, p1),
                    distance(seen.pairs / done, pair_law),
                    seen.stayed / done,
                )
                for rule, seen in counts.items()
            },
            first_noise=noise(p1, done, random),
            pair_noise=noise(pair_law, done, random),
        )


def _two_tokens(rule: str, laws: "_Laws", n: int, random) -> tuple[Tensor, Tensor, float]:
    """The first and the second token of n texts, and how many drafted tokens stayed, of one a text."""
    ((p, q, drawn),) = laws.after([()])
    first, ok = judge(rule, p, q, drawn, n, random)
    first, stayed = first.sort().values, int(ok.sum())
    values, times = first.unique_consecutive(return_counts=True)
    second = []
    for (p, q, drawn), m in zip(laws.after([(x,) for x in values.tolist()]), times.tolist(), strict=True):
        y, ok = judge(rule, p, q, drawn, m, random)
        second.append(y)
        stayed += int(ok.sum())
    return first, torch.cat(second), stayed / 2


class _Counts:
    """How often each first token and each of the wanted pairs came; what is no wanted pair is last."""

    def __init__(self, vocabulary: int, wanted: Int[Tensor, " n"]):
        self.vocabulary, self.stayed = vocabulary, 0.0
        self.order = wanted.argsort()
        self.wanted = wanted[self.order]
        self.firsts, self.pairs = torch.zeros(vocabulary), torch.zeros(len(wanted) + 1)

    def add(self, first: Int[Tensor, " n"], second: Int[Tensor, " n"], stayed: float) -> None:
        self.firsts += torch.bincount(first, minlength=self.vocabulary)
        pair = first * self.vocabulary + second
        at = torch.searchsorted(self.wanted, pair).clamp(max=len(self.wanted) - 1)
        place = torch.where(self.wanted[at] == pair, self.order[at], len(self.wanted))
        self.pairs += torch.bincount(place, minlength=len(self.pairs))
        self.stayed += stayed

    def verdict(self, done: int, law: Float[Tensor, " V"], pair_law: Float[Tensor, " n"]) -> Verdict:
        first, pair = distance(self.firsts / done, law), distance(self.pairs / done, pair_law)
        return Verdict(first, pair, self.stayed / done)


def distance(a: Float[Tensor, " V"], b: Float[Tensor, " V"]) -> float:
    """TV of two laws."""
    return float((a - b).abs().sum() / 2)


def noise(law: Float[Tensor, " V"], samples: int, random, trials: int = 200) -> tuple[float, float]:
    """TV(estimate, law) of estimates from `samples` samples of the law: mean, and SIGMAS deviations above.

    Counts are simulated as independent normals, which is right for the large cells that make up the
    distance; cells expected under 20 times are drawn as Poisson numbers.
    """
    mean = law * samples
    normal = mean + (mean * (1 - law)).clamp(min=0).sqrt() * torch.randn(trials, len(law), generator=random)
    counts = torch.where(mean < 20, torch.poisson(mean.expand(trials, -1), generator=random), normal)
    distances = (counts / samples - law).abs().sum(1) / 2
    return float(distances.mean()), float(distances.mean() + SIGMAS * distances.std())


class _Laws:
    """p, q and the draft's law at temperature 1 after the prompt and some more tokens; each run once."""

    def __init__(self, target, draft, prompt_ids: Tensor, sampling: Sampling, vocabulary: int, before_pass):
        self.models, self.prompt, self.sampling = (target, draft), prompt_ids, sampling
        self.vocabulary, self.before_pass = vocabulary, before_pass
        self.known: dict[tuple[int, ...], tuple[Tensor, Tensor, Tensor]] = {}

    def after(self, rows: list[tuple[int, ...]]) -> list[tuple[Tensor, Tensor, Tensor]]:
        """The three laws [V] after each continuation of the prompt."""
        new = [row for row in rows if row not in self.known]
        for at in range(0, len(new), 64):
            part = new[at : at + 64]
            self.known |= dict(zip(part, self._run(part), strict=True))
        return [self.known[row] for row in rows]

    @torch.inference_mode()
    def _run(self, rows: list[tuple[int, ...]]) -> list[tuple[Tensor, Tensor, Tensor]]:
        more = torch.tensor(rows, dtype=torch.long).reshape(len(rows), -1)
        ids = torch.cat([self.prompt.expand(len(rows), -1), more], dim=1)
        logits = []
        for model in self.models:
            self.before_pass()
            known = ids.clamp(max=model.config.vocab_size - 1).to(model.device)
            row = model(input_ids=known, logits_to_keep=1).logits[:, -1, : self.vocabulary].float().cpu()
            lacking = self.vocabulary - row.shape[-1]
            logits.append(torch.nn.functional.pad(row, (0, lacking), value=-torch.inf))
        p, q = (self.sampling.law(row) for row in logits)
        hot = Sampling(1.0, self.sampling.top_k, self.sampling.top_p).law(logits[1])
        return list(zip(p, q, hot, strict=True))
