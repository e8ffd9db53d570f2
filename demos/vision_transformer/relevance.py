"""From the attentions of all layers to one map: rollout, and relevance weighted by gradients.

Neither is a proof of what the model used. Rollout (Abnar and Zuidema 2020) takes the mean over heads and
knows nothing of values, MLPs or the class; relevance (Chefer, Gur and Wolf 2021) asks for one class, by a
linear approximation around this picture. The honest test is to take patches away and look at the answer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from demos.vision_transformer.algorithm import ViTTrace, encode, look
from demos.vision_transformer.network import Network, network


@dataclass(frozen=True)
class RelevanceTrace:
    """gradients: d logit[target] / d A, for every attention. relevance: row i is what reached position i."""

    target: int
    gradients: Float[Tensor, "L heads S S"]
    relevance: Float[Tensor, "S S"]


def rollout(attentions: Float[Tensor, "L heads S S"]) -> Float[Tensor, "S S"]:
    """The product over layers of (A + I) / 2, A averaged over heads, each row normalised.

    Row i: where position i's state comes from, if values passed unchanged. Each row sums to 1.
    """
    eye = torch.eye(attentions.shape[-1], dtype=attentions.dtype, device=attentions.device)
    total = eye
    for A in attentions.mean(1):
        mixed = A / 2 + eye / 2
        total = mixed / mixed.sum(-1, keepdim=True) @ total
    return total


def relevance(model: nn.Module, trace: ViTTrace, target: int) -> RelevanceTrace:
    """Which positions spoke for the class `target`, on the way that the trace records.

    For each layer, the mean over heads of the positive part of gradient times attention is added to what
    the layers before it passed on: R <- R + mean(max(grad * A, 0)) R, from R = I.

    Raises ValueError for a model without a classifier, or a class that it does not know.
    """
    net = network(model)
    _check_class(net, target)
    with torch.inference_mode(False), torch.enable_grad():
        nudges = torch.zeros_like(trace.attentions, requires_grad=True)
        states, _ = encode(net.blocks, trace.sequence.clone(), nudges)
        logit = net.classifier(net.norm(states[-1][0]))[target]
        (gradients,) = torch.autograd.grad(logit, nudges)
    R = torch.eye(gradients.shape[-1], dtype=gradients.dtype, device=gradients.device)
    for gradient, A in zip(gradients, trace.attentions, strict=True):
        R = R + (gradient * A).clamp(min=0).mean(0) @ R
    return RelevanceTrace(target, gradients, R)


def on_patches(row: Float[Tensor, " S"], trace: ViTTrace) -> Float[Tensor, " N"]:
    """The entries of a row that belong to patches, each at its patch's place; 0 where it was taken out."""
    rows, columns = trace.grid
    out = row.new_zeros(rows * columns)
    out[trace.kept] = row[1 + trace.registers :]
    return out


def occlusion(
    model: nn.Module,
    image: Float[Tensor, "C H W"],
    target: int,
    kept: Sequence[int],
    asked: Sequence[int],
    *,
    with_positions: bool = True,
) -> Iterator[tuple[int, float]]:
    """Each patch of `asked` with the probability of the class once it, too, is taken out of `kept`.

    image and with_positions: as `look` takes them. Raises ValueError as `relevance` does.
    """
    _check_class(network(model), target)
    for patch in asked:
        rest = [other for other in kept if other != patch]
        trace = look(model, image, kept=rest, with_positions=with_positions)
        yield patch, float(trace.logits.softmax(-1)[target])


def _check_class(net: Network, target: int) -> None:
    if net.classifier is None:
        raise ValueError(
            "the question is about a class, so a model with a classifier is expected; it has none"
        )
    classes = net.classifier.out_features
    if not 0 <= target < classes:
        raise ValueError(f"target must be a class from 0 to {classes - 1}; got {target}")
