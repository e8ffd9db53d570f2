"""Is it lossless? Many samples of the first two tokens, under the right rule and under wrong ones.

Letters, as in algorithm.py: p, q. TV: total variation distance, half the sum of |difference|.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

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
PAIRS = 200  # the likeliest pairs that are told apart; all others are counted together


@dataclass(frozen=True)
class Verdict:
    """What `samples` samples under a rule say. first, pair: TV of the estimate to the target's law.

    first_floor, pair_floor: (median, 99% quantile) of the same distance for samples of the target's law
    itself, so what sampling noise alone does. acceptance: share of drafted tokens that stayed.
    """

    rule: str
    samples: int
    first: float
    pair: float
    first_floor: tuple[float, float]
    pair_floor: tuple[float, float]
    acceptance: float

    @property
    def lossless(self) -> bool:
        """Whether both distances lie within the noise."""
        return self.first <= self.first_floor[1] and self.pair <= self.pair_floor[1]


def judge(
    rule: str, p: Float[Tensor, "n V"], q: Float[Tensor, "n V"], drawn: Float[Tensor, "n V"], random
) -> tuple[Int[Tensor, " n"], Bool[Tensor, " n"]]:
    """One token for each row of laws, and whether it was the drafted one, under a rule of RULES.

    q: the law that judges; drawn: the law the draft really samples from, q itself but for the rule that
    is about the difference. Raises ValueError for an unknown rule.
    """
    if rule not in RULES:
        raise ValueError(f"rule must be one of {', '.join(RULES)}; got {rule}.")
    if rule == "temperature on one side":
        x = pick(drawn, random)
    else:
        x = q.argmax(-1) if rule == "argmax draft" else pick(q, random)
    if rule == MATCH:
        y = pick(p, random)
        return y, x == y
    if rule == "always accept":
        return x, torch.ones_like(x, dtype=torch.bool)
    at = x[:, None]
    r = torch.rand(len(x), generator=random, dtype=torch.float64)
    ok = r * q.gather(1, at)[:, 0] < p.gather(1, at)[:, 0]
    left = p if rule == "resample from p" else (p - q).clamp(min=0)
    # Where nothing is left p equals q, and only rounding can reject.
    left = torch.where(left.sum(-1, keepdim=True) > 0, left, p)
    return torch.where(ok, x, pick(left, random)), ok


def pick(laws: Float[Tensor, "n V"], random) -> Int[Tensor, " n"]:
    """A token of each row, by its weights."""
    return torch.multinomial(laws, 1, generator=random)[:, 0]


def hear(
    target,
    draft,
    prompt_ids: Int[Tensor, "1 T"],
    *,
    rule: str,
    sampling: Sampling,
    samples: int,
    seed: int,
    batch: int = 5000,
) -> Iterator[Verdict]:
    """The verdict after each batch of samples, until there are `samples`.

    Whatever the block, the token at a place is judged by the laws after the tokens before it; so the
    first is judged by the laws after the prompt, and the second by those after the prompt and the first.
    """
    random = torch.Generator().manual_seed(seed)
    vocabulary = target.config.vocab_size
    laws = _Laws(target, draft, prompt_ids, sampling, vocabulary)
    p1, q1, d1 = laws.after(torch.empty(1, 0, dtype=torch.long))
    likely = p1[0].topk(min(PAIRS, int((p1[0] > 0).sum()))).indices
    p2 = laws.after(likely[:, None])[0]
    joint = p1[0, likely, None] * p2
    top = joint.flatten().topk(min(PAIRS, joint.numel()))
    wanted = likely[top.indices // vocabulary] * vocabulary + top.indices % vocabulary
    pair_law = torch.cat([top.values, (1 - top.values.sum()).clamp(min=0)[None]])

    firsts, pairs, stayed, done = torch.zeros(vocabulary), torch.zeros(len(pair_law)), 0, 0
    while done < samples:
        n = min(batch, samples - done)
        first, ok = judge(rule, *(law.expand(n, -1) for law in (p1, q1, d1)), random)
        seen, place = first.unique(return_inverse=True)
        second, ok_2 = judge(rule, *(law[place] for law in laws.after(seen[:, None])), random)
        firsts += torch.bincount(first, minlength=vocabulary)
        hit = (first * vocabulary + second)[:, None] == wanted
        pairs[:-1] += hit.sum(0)
        pairs[-1] += int((~hit.any(1)).sum())
        stayed += int(ok.sum()) + int(ok_2.sum())
        done += n
        yield Verdict(
            rule=rule,
            samples=done,
            first=distance(firsts / done, p1[0]),
            pair=distance(pairs / done, pair_law),
            first_floor=noise(p1[0], done, random),
            pair_floor=noise(pair_law, done, random),
            acceptance=stayed / (2 * done),
        )


def distance(a: Float[Tensor, " V"], b: Float[Tensor, " V"]) -> float:
    """TV of two laws."""
    return float((a - b).abs().sum() / 2)


def noise(law: Float[Tensor, " V"], samples: int, random, trials: int = 200) -> tuple[float, float]:
    """Median and 99% quantile of TV(estimate, law) for estimates from `samples` samples of the law.

    Counts of V cells are simulated as independent normals, which is right for the large cells that make
    up the distance; cells expected under once are drawn as Poisson numbers.
    """
    mean = law * samples
    normal = mean + (mean * (1 - law)).sqrt() * torch.randn(trials, len(law), generator=random)
    counts = torch.where(mean < 20, torch.poisson(mean.expand(trials, -1), generator=random), normal)
    distances = (counts / samples - law).abs().sum(1) / 2
    return float(distances.median()), float(distances.quantile(0.99))


class _Laws:
    """p, q and the draft's law at temperature 1 after the prompt and some more tokens; each run once."""

    def __init__(self, target, draft, prompt_ids: Tensor, sampling: Sampling, vocabulary: int):
        self.models, self.prompt, self.sampling = (target, draft), prompt_ids, sampling
        self.vocabulary, self.known = vocabulary, {}

    def after(self, more: Int[Tensor, "n m"]) -> tuple[Tensor, Tensor, Tensor]:
        """Three laws [n, V] for the n continuations `more` of the prompt."""
        rows = [tuple(row) for row in more.tolist()]
        new = [row for row in rows if row not in self.known]
        for at in range(0, len(new), 64):
            part = new[at : at + 64]
            laws = self._run(torch.tensor(part, dtype=torch.long).reshape(len(part), more.shape[1]))
            self.known |= dict(zip(part, zip(*laws, strict=True), strict=True))
        found = [self.known[row] for row in rows]
        return tuple(torch.stack(column) for column in zip(*found, strict=True))

    @torch.inference_mode()
    def _run(self, more: Int[Tensor, "n m"]) -> tuple[Tensor, Tensor, Tensor]:
        ids = torch.cat([self.prompt.expand(len(more), -1), more], dim=1)
        logits = []
        for model in self.models:
            known = ids.clamp(max=model.config.vocab_size - 1).to(model.device)
            row = model(input_ids=known, logits_to_keep=1).logits[:, -1, : self.vocabulary].float().cpu()
            lacking = self.vocabulary - row.shape[-1]
            logits.append(torch.nn.functional.pad(row, (0, lacking), value=-torch.inf))
        p, q = (self.sampling.law(row) for row in logits)
        return p, q, Sampling(1.0, self.sampling.top_k, self.sampling.top_p).law(logits[1])
