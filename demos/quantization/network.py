"""A whole model written with few bits, layer by layer (GPTQ: Frantar et al. 2023; AWQ: Lin et al. 2024).

Letters: X [n, in], what a matrix reads; W [out, in]; Y = X Wᵀ.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from demos.kit.blocks import Matrix, matrices, walk, weight_of
from demos.quantization.algorithm import QuantTrace, quantize
from demos.quantization.awq import awq
from demos.quantization.scheme import Scheme

Batch = Mapping[str, Tensor]


@dataclass(frozen=True)
class Done:
    """One matrix of the model that now has the weights trace.dequantized, and the scheme that made them."""

    matrix: Matrix
    trace: QuantTrace
    scheme: Scheme


def requantize(
    model: nn.Module, plan: Mapping[str, Scheme | None], batches: Sequence[Batch]
) -> Iterator[Done]:
    """CHANGES the model: the weights of each matrix in the plan become what its scheme makes of them.

    plan: name of a matrix -> its scheme; None, like a name that is missing, leaves the matrix as it is.
    batches: the calibration text, the model's inputs by name; read only where a scheme looks at inputs.
    Then a layer is calibrated on what the layers before it give after their own change, and the matrices
    of one layer on what they read before any of that layer is changed. Matrices of one layer with the same
    AWQ scheme that read the same share one search. Yields after each matrix; whoever stops taking leaves
    the rest of the model unchanged.

    Raises ValueError for names that the model does not have, for calibration without text, and for what
    quantize refuses.
    """
    known = matrices(model)
    if unknown := sorted(plan.keys() - {matrix.name for matrix in known}):
        raise ValueError(
            f"Matrices of the model are expected; {len(unknown)} of {len(plan)} are none: {unknown}."
        )
    planned = [(matrix, plan[matrix.name]) for matrix in known if plan.get(matrix.name)]
    if all(scheme.method == "nearest" for _, scheme in planned):
        yield from _change(model, planned, {})
        return
    if not batches:
        raise ValueError("A batch of calibration text is expected; got 0.")
    last = max(matrix.layer for matrix, _ in planned)
    for layer, inputs in walk(model, batches):
        yield from _change(model, [each for each in planned if each[0].layer == layer], inputs)
        if layer == last:
            return


def _change(
    model: nn.Module, planned: Sequence[tuple[Matrix, Scheme]], read: Mapping[str, Tensor]
) -> Iterator[Done]:
    """The matrices of `planned`, changed one after the other. read: what each reads, where that is known."""
    for group in _sharing(planned, read):
        weights = [weight_of(model.get_submodule(matrix.name)) for matrix, _ in group]
        matrix, scheme = group[0]
        x = read[matrix.name].float() if matrix.name in read else None
        if len(group) == 1:
            traces = [quantize(weights[0].float(), scheme, x)]
        else:
            traces = _together([weight.float() for weight in weights], scheme, x)
        for (matrix, _), weight, trace in zip(group, weights, traces, strict=True):
            weight.copy_(trace.dequantized)
            yield Done(matrix, trace, scheme)


def _together(
    weights: Sequence[Float[Tensor, "_ in"]], scheme: Scheme, x: Float[Tensor, "n in"]
) -> list[QuantTrace]:
    """One AWQ search for all: each trace has its column scales, and the losses summed over the matrices."""
    found = awq(weights, scheme, x)
    return [
        QuantTrace(
            scheme=scheme,
            codes=rounded.codes,
            scales=rounded.scales,
            zero_points=rounded.zero_points,
            dequantized=rounded.dequantized,
            error=rounded.dequantized - weight,
            column_scales=found.column_scales,
            searched=found.searched,
        )
        for weight, rounded in zip(weights, found.rounded, strict=True)
    ]


def _sharing(
    planned: Sequence[tuple[Matrix, Scheme]], read: Mapping[str, Tensor]
) -> list[list[tuple[Matrix, Scheme]]]:
    """Those that share an AWQ search stand together; each of the others stands alone."""
    groups: list[list[tuple[Matrix, Scheme]]] = []
    for matrix, scheme in planned:
        for group in groups:
            first, its = group[0]
            if (
                scheme.method == "awq"
                and its == scheme
                and _same(read.get(first.name), read.get(matrix.name))
            ):
                group.append((matrix, scheme))
                break
        else:
            groups.append([(matrix, scheme)])
    return groups


def _same(x: Tensor | None, other: Tensor | None) -> bool:
    return x is not None and other is not None and torch.equal(x, other)


def fallback(scheme: Scheme, columns: int) -> Scheme:
    """The scheme itself, or per channel where its groups do not divide the columns; its name says so."""
    if scheme.per != "group" or columns % scheme.size == 0:
        return scheme
    return replace(scheme, name=f"{scheme.name} (per channel: {columns} columns)", per="channel", size=0)


@torch.no_grad()
def output_error(
    weight: Float[Tensor, "out in"], changed: Float[Tensor, "out in"], x: Float[Tensor, "n in"]
) -> float:
    """|X Wᵀ - X W'ᵀ|² / |X Wᵀ|²: the part of the outputs' power that is lost. 0 where nothing changed."""
    lost = (x @ (weight - changed).T).square().sum()
    return float(lost / (x @ weight.T).square().sum()) if lost else 0.0
