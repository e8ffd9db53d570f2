"""Structured pruning by learned gates, towards a shape that is chosen beforehand (Xia et al. 2024).

Letters, as in the paper, "Sheared LLaMA: Accelerating language model pre-training via structured pruning":
    theta        the weights, trained along with the gates
    z            the gates, see gates.py; where they sit in the model: masking.py
    C            the constraints, 2 + 2 L: layers, width, then heads of each layer, then units of each layer
    s, t         of one constraint: the expected count of open gates, sum P(z != 0), and its target
    lambda, phi  of one constraint: the multipliers of (s - t) and of (s - t)^2

min over theta and z, max over lambda and phi:  loss + sum over C of lambda (s - t) + phi (s - t)^2.

Here s and t are shares of what the source has, so that 688 units weigh as much as 4 heads. The paper
searches for thousands of steps and starts both multipliers at 0; for hundreds, phi starts at PHI, and the
gates' optimizer has no momentum: with it, the counts swing past their targets and back.
"""

import copy
import time
from collections.abc import Iterator
from dataclasses import astuple, dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from demos.pruning.gates import Gates, expected, final, sample
from demos.pruning.masking import Kept, gated
from demos.pruning.shape import Shape, shape_of
from demos.pruning.training import BETAS, check_windows, draw, next_token_loss, update

START = 3.0  # log_alpha of all gates: open with a probability of 0.99
PHI = 30.0  # of all constraints at the start


@dataclass(frozen=True)
class ShearStep:
    """The search after `number` updates.

    loss: the language model's on the step's batch, with sampled gates, in nats per token. lagrangian: what
    the constraints added to it. sizes, goal: s and t of this step as counts; linear, quadratic: lambda and
    phi after the update; all in the order of C. log_alpha: of all gates, after the update.
    milliseconds: that the step took. model: the copy in training, without gates, the same one in every
    step: it has the weights of the last one.
    """

    number: int
    loss: float
    lagrangian: float
    sizes: Float[Tensor, " C"]
    goal: Float[Tensor, " C"]
    linear: Float[Tensor, " C"]
    quadratic: Float[Tensor, " C"]
    log_alpha: Gates
    milliseconds: float
    model: nn.Module

    @property
    def probabilities(self) -> Gates:
        """P(z != 0)."""
        return self.log_alpha.map(expected)


def shear_search(
    model: nn.Module,
    target: Shape,
    windows: Int[Tensor, "n longest"],
    *,
    steps: int = 300,
    seed: int = 0,
    batch: int = 4,
    length: int = 128,
    warm: float = 0.5,
    gate_rate: float = 0.1,
    weight_rate: float = 3e-4,
    multiplier_rate: float = 0.3,
    dtype: torch.dtype = torch.float32,
) -> Iterator[ShearStep]:
    """Trains gates, and with them the weights of a copy of the model, until as many are open as wanted.

    windows: token ids; a step reads `batch` pieces of `length` tokens. warm: the share of the steps over
    which t goes from the source's shape to the target's. The rates are those of the gates, the weights and
    the multipliers. dtype: bfloat16 for autocast, faster where the processor has it.
    Raises ValueError, at the first step, for a model that is no Llama, a target that is larger, or windows
    that are too short.
    """
    source = shape_of(model)
    target.check_within(source)
    check_windows(model, windows, length)
    if steps < 1 or not 0 < warm <= 1:
        raise ValueError(f"at least 1 step and a warm share in (0, 1] are expected; got {steps} and {warm}")
    generator = torch.Generator().manual_seed(seed)
    with torch.inference_mode(False), torch.enable_grad():
        net = copy.deepcopy(model).float().requires_grad_(True)
        log_alpha = opened(source, model.device).map(lambda t: t.requires_grad_())
        full, last = constraints(source, source.layers), constraints(target, source.layers)
        linear, quadratic = torch.zeros_like(full), torch.full_like(full, PHI)
        weights = torch.optim.AdamW(net.parameters(), lr=weight_rate, betas=BETAS, weight_decay=0.0)
        opening = torch.optim.Adam(log_alpha.all(), lr=gate_rate, betas=(0.0, 0.99))
    for number in range(1, steps + 1):
        began = time.perf_counter()
        with torch.inference_mode(False), torch.enable_grad():
            goal = full + min(1.0, number / (warm * steps)) * (last - full)
            uniform = log_alpha.map(lambda t: torch.rand(t.shape, generator=generator).to(t.device))
            z = log_alpha.map(sample, uniform)
            with gated(net, z, max(1, int((z.width > 0).sum()))):
                loss = next_token_loss(net, draw(windows, batch, length, generator), dtype)
            sizes = counts(log_alpha.map(expected)).cpu()
            excess = (sizes - goal) / full
            lagrangian = penalty(excess, linear, quadratic)
            update(loss + lagrangian.to(loss.device), net, weights, opening)
            linear, quadratic = ascend(excess.detach(), linear, quadratic, multiplier_rate)
        yield ShearStep(
            number=number, loss=loss.item(), lagrangian=lagrangian.item(), sizes=sizes.detach(), goal=goal,
            linear=linear, quadratic=quadratic, log_alpha=log_alpha.map(lambda t: t.detach().cpu().clone()),
            milliseconds=1000 * (time.perf_counter() - began), model=net,
        )  # fmt: skip


def opened(shape: Shape, device: torch.device) -> Gates:
    """log_alpha at the start."""
    L = shape.layers
    sizes = (L,), (shape.width,), (L, shape.heads), (L, shape.units)
    return Gates(*(torch.full(size, START, device=device) for size in sizes))


def constraints(shape: Shape, layers: int) -> Float[Tensor, " C"]:
    """The shape's numbers in the order of C; layers: L, the source's."""
    each = [shape.heads] * layers + [shape.units] * layers
    return torch.tensor([shape.layers, shape.width, *each], dtype=torch.float32)


def counts(probabilities: Gates) -> Float[Tensor, " C"]:
    """s as counts."""
    return torch.cat([p.sum(-1).reshape(-1) for p in probabilities.all()])


def penalty(
    excess: Float[Tensor, " C"], linear: Float[Tensor, " C"], quadratic: Float[Tensor, " C"]
) -> Float[Tensor, ""]:
    """The constraints' part of the Lagrangian. excess: s - t."""
    return (linear * excess + quadratic * excess**2).sum()


def ascend(
    excess: Float[Tensor, " C"], linear: Float[Tensor, " C"], quadratic: Float[Tensor, " C"], rate: float
) -> tuple[Float[Tensor, " C"], Float[Tensor, " C"]]:
    """lambda and phi one step up the gradient of `penalty`, which the gates go down."""
    return linear + rate * excess, quadratic + rate * excess**2


def decide(log_alpha: Gates, target: Shape) -> Kept:
    """The target's number of each kind: those of the highest log_alpha, of equal ones the first."""
    return Kept(
        *(
            t.sort(dim=-1, descending=True, stable=True).indices[..., :count].sort(-1).values
            for t, count in zip(log_alpha.all(), astuple(target), strict=True)
        )
    )


def final_gates(log_alpha: Gates, kept: Kept) -> Gates:
    """z without chance: 0 for what is not kept."""
    return log_alpha.map(final, kept.mask(log_alpha))
