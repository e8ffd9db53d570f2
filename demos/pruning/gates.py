"""Hard concrete gates: numbers in [0, 1] that are 0 or 1 with some probability, yet have a gradient.

Letters, as in Louizos, Welling and Kingma (2018), "Learning sparse neural networks through L0
regularization", and in Xia et al. (2024), who prune with them:
    log_alpha    what is learned: the gate's leaning, positive for open
    u            a uniform random number in (0, 1)
    s            the concrete variable, sigmoid((ln u - ln(1 - u) + log_alpha) / beta), in (0, 1)
    beta         its temperature
    gamma, zeta  the interval that s is stretched to; what falls below 0 or above 1 is cut off
    z            the gate, min(1, max(0, s (zeta - gamma) + gamma))
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

BETA, GAMMA, ZETA = 2 / 3, -0.1, 1.1


def sample(log_alpha: Float[Tensor, "*n"], uniform: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """z for the uniform numbers u."""
    s = torch.sigmoid((torch.logit(uniform) + log_alpha) / BETA)
    return (s * (ZETA - GAMMA) + GAMMA).clamp(0, 1)


def expected(log_alpha: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """P(z != 0), that is P(s > -gamma / (zeta - gamma)): 0.832 at log_alpha = 0."""
    return torch.sigmoid(log_alpha - BETA * math.log(-GAMMA / ZETA))


def final(log_alpha: Float[Tensor, "*n"], keep: Bool[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """The gate without chance: 0 for what is not kept, else z with s = sigmoid(log_alpha)."""
    s = torch.sigmoid(log_alpha)
    return torch.where(keep, (s * (ZETA - GAMMA) + GAMMA).clamp(0, 1), 0)


@dataclass(frozen=True)
class Gates:
    """One number for each part of a model that can be cut: a gate z, its log_alpha or its probability.

    layers; width: the hidden dimensions, the same in all layers; heads and units (of the MLP): of each
    layer.
    """

    layers: Shaped[Tensor, " L"]
    width: Shaped[Tensor, " d"]
    heads: Shaped[Tensor, "L H"]
    units: Shaped[Tensor, "L m"]

    def all(self) -> tuple[Tensor, ...]:
        return tuple(getattr(self, field.name) for field in fields(self))

    def map(self, function: Callable[..., Tensor], *others: "Gates") -> "Gates":
        """The function of each tensor, and of the same one of the others."""
        return Gates(
            *(function(*tensors) for tensors in zip(self.all(), *(o.all() for o in others), strict=True))
        )
