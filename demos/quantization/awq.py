"""AWQ: the columns that large inputs meet are stretched before the rounding, so that they lose less.

Letters, as in Lin et al. 2024:
    W [out, in]   the weights of one matrix; those that read the same input share one search
    X [n, in]     what they read on the calibration text
    s [in]        the scale of each column: Q(W diag(s)) diag(s)⁻¹ acts in the place of W
    r             the exponent, s = (mean |X|)^r (the paper's alpha); r = 0 is rounding to nearest
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from demos.quantization.rounding import Rounded, check_inputs, round_nearest
from demos.quantization.scheme import Scheme

SMALLEST = 1e-4  # of the largest mean: below it a column counts as this, or 0 would stretch the others


@dataclass(frozen=True)
class AwqSearch:
    """What the search tried and chose.

    rounded: for each matrix the codes and scales of W diag(s), and as `dequantized` what acts on the
    unchanged input: the column scales are divided out again. exponent: the chosen r.
    searched: (r, loss) in the order tried. The loss is the squared error of the matrices' outputs, summed
    over positions, outputs and matrices.
    """

    rounded: list[Rounded]
    column_scales: Float[Tensor, " in"]
    exponent: float
    searched: tuple[tuple[float, float], ...]


@torch.no_grad()
def awq(
    weights: Sequence[Float[Tensor, "_ _"]], scheme: Scheme, x: Float[Tensor, "n in"], steps: int = 20
) -> AwqSearch:
    """The exponent r among 0, 1/steps .. 1 with the smallest output error; of equal ones the smallest r.

    weights: the matrices [out_i, in] that read x, such as q, k and v of one layer: one s serves them all.
    The search for a clipped range that the paper's code adds is left out.

    Raises ValueError for no matrix or step, for x whose squares have no finite sum, and for what
    `check_inputs` and `round_nearest` refuse.
    """
    if not weights or steps < 1:
        raise ValueError(f"A matrix and a step are expected; got {len(weights)} and {steps}.")
    for weight in weights:
        check_inputs(x, weight)
    x = x.float()
    power = float(torch.linalg.vector_norm(x)) ** 2
    if not math.isfinite(power):
        raise ValueError(
            f"Inputs with finite squares are expected; their largest is {float(x.abs().max()):.3g}."
        )
    loss = output_loss(x)

    def total(r: float) -> float:
        s = column_scales(x, r)
        return sum(loss(weight - stretched(weight, scheme, s).dequantized) for weight in weights)

    searched = tuple((step / steps, total(step / steps)) for step in range(steps + 1))
    exponent = min(searched, key=lambda tried: tried[1])[0]
    s = column_scales(x, exponent)
    return AwqSearch([stretched(weight, scheme, s) for weight in weights], s, exponent, searched)


def column_scales(x: Float[Tensor, "n in"], r: float) -> Float[Tensor, " in"]:
    """s = (mean |X|)^r for each column, over the root of the largest times the smallest.

    In float16, as they are stored. 1 for r = 0, and where X is 0.
    """
    means = x.abs().mean(0)
    largest = means.max()
    s = (means / largest).clamp(min=SMALLEST).pow(r) if largest else torch.ones_like(means)
    return (s / (s.max() * s.min()).sqrt()).half().float()


def stretched(weight: Float[Tensor, "out in"], scheme: Scheme, s: Float[Tensor, " in"]) -> Rounded:
    """Q(W diag(s)), and as `dequantized` Q(W diag(s)) diag(s)⁻¹."""
    rounded = round_nearest(weight * s, scheme)
    return replace(rounded, dequantized=rounded.dequantized / s)


def output_loss(x: Float[Tensor, "n in"]) -> Callable[[Float[Tensor, "out in"]], float]:
    """|X Dᵀ|² as a function of D: by Xᵀ X where there are more positions than columns, which is cheaper."""
    if len(x) <= x.shape[1]:
        return lambda D: float((x @ D.T).square().sum())
    G = x.T @ x
    return lambda D: float(((D @ G) * D).sum())
