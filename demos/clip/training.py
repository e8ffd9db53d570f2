"""The two projections trained anew by contrast, in front of everyone: seconds on a CPU.

The towers stay as they are, so their features are computed once, and a step is two small matrix products.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor

from demos.clip.algorithm import MOST_T
from demos.clip.towers import check_different

START_T = math.log(1 / 0.07)  # as in the paper


@dataclass(frozen=True)
class TrainStep:
    """After `step` updates: the loss of the n pairs, exp(t), and the softmax along rows, [n, n]."""

    step: int
    loss: float
    scale: float
    along_rows: Float[Tensor, "n n"]


def train(
    I_f: Float[Tensor, "n di"],
    T_f: Float[Tensor, "m dt"],
    width: int,
    *,
    steps: int = 300,
    rate: float = 5e-4,
    seed: int = 0,
    start_t: float = START_T,
    before_step: Callable[[], None] = lambda: None,
) -> Iterator[TrainStep]:
    """W_i, W_t and t from chance, by AdamW on the loss of all n pairs; yields before each step and after.

    width: d_e. before_step: may raise, to stop. t is kept at ln 100 or below, as in the paper.
    Raises ValueError unless there are as many of both, at least 2, and no two rows of T_f are equal.
    """
    if len(I_f) != len(T_f) or len(I_f) < 2:
        raise ValueError(
            f"as many pictures as texts, at least 2, are expected; got {len(I_f)} and {len(T_f)}"
        )
    check_different(T_f)
    generator = torch.Generator().manual_seed(seed)
    with torch.inference_mode(False), torch.enable_grad():
        I_f, T_f = I_f.float().cpu().clone(), T_f.float().cpu().clone()
        W_i, W_t = (
            (d**-0.5 * torch.randn(d, width, generator=generator)).requires_grad_()
            for d in (I_f.shape[1], T_f.shape[1])
        )
        t = torch.tensor(start_t, requires_grad=True)
    optimizer = torch.optim.AdamW([W_i, W_t, t], lr=rate, weight_decay=0.0)
    labels = torch.arange(len(I_f))
    for step in range(steps + 1):
        before_step()
        with torch.inference_mode(False), torch.enable_grad():
            logits = t.exp() * F.normalize(I_f @ W_i, dim=-1) @ F.normalize(T_f @ W_t, dim=-1).T
            loss = (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2
        yield TrainStep(step, loss.item(), t.exp().item(), logits.detach().softmax(1))
        if step == steps:
            return
        with torch.inference_mode(False), torch.enable_grad():
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                t.clamp_(max=MOST_T)
