"""Pruning against quantization at equal bytes: one matrix, and a whole model.

Letters: n, weights; K, weights that are kept; b, bits of one that is kept. Pruned weights are stored as a
bitmask of n bits and K values in bfloat16 (b = 16), or, cut and quantized, K codes of b bits and scales.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import torch
from jaxtyping import Float
from torch import Tensor, nn

from demos.kit.blocks import Matrix, matrices, weight_of
from demos.kit.calibration import batches, compared
from demos.kit.compressing import writer
from demos.kit.device import on_gpu
from demos.kit.inputs import InputError
from demos.kit.models import Loaded, load
from demos.kit.passes import memory_for
from demos.kit.runs import Runs
from demos.kit.scores import Score
from demos.pruning.algorithm import READERS, PruneTrace, output_error, prune
from demos.pruning.controls import RIVALS, WIDTHS, Plan, Settings
from demos.pruning.network import prune_model
from demos.pruning.storage import bitmask, restore, two_of_four
from demos.pruning.work import MATRICES, Check, read_by, see
from demos.quantization.algorithm import quantize
from demos.quantization.network import requantize
from demos.quantization.packing import pack, pack_trace
from demos.quantization.scheme import SCHEMES, Scheme

VALUE_BITS = 16  # of a weight that is kept and not quantized: bfloat16


@dataclass(frozen=True)
class Form:
    """What became of a matrix. weight: what is read back. sparsity: the share cut. lost: of the outputs'
    power."""

    weight: Float[Tensor, "out in"]
    nbytes: int
    sparsity: float
    lost: float


@dataclass(frozen=True)
class Equal:
    """One matrix, quantized, pruned, and both, at equal bytes. weight: as it was. finer: the scheme of the
    codes that are left when weights are cut as well."""

    settings: Settings
    scheme: str
    finer: str
    weight: Float[Tensor, "out in"]
    quantized: Form
    pruned: Form
    both: Form


@dataclass(frozen=True)
class Row:
    """A whole model in one form. nbytes: of all its matrices. sparsity: the share of their weights cut."""

    name: str
    kind: str
    nbytes: int
    weights: int
    sparsity: float
    score: Score

    @property
    def bits(self) -> float:
        return 8 * self.nbytes / self.weights


@dataclass(frozen=True)
class Rows:
    """The forms of a model that were measured so far. refused: why 2:4 is not among them, if so."""

    rows: tuple[Row, ...]
    refused: str
    done: bool


EQUALS: Runs[Equal] = Runs(200_000_000, 1800, lambda equal: 4 * equal.weight.nbytes)
MODELS: Runs[Rows] = Runs(2_000_000, 1800, lambda rows: 5_000)


def sparsity_for(budget: int, weights: Sequence[int], bits: int, scales: int) -> float:
    """The share to cut so that bitmasks, K values and scales take the budget. weights: n of each matrix.

    budget, scales: bytes. Raises InputError where not even the bitmasks fit.
    """
    masks = sum(ceil(n / 8) for n in weights)
    left = budget - masks - scales
    if left < 0:
        raise InputError(
            f"Equal bytes cannot be had: the bitmasks and scales alone take {masks + scales:,} bytes; the "
            f"quantized weights take {budget:,}."
        )
    return max(0.0, 1 - 8 * left / bits / sum(weights))


def quantized_kept(trace: PruneTrace, scheme: Scheme) -> tuple[Tensor, int]:
    """The weights left by pruning, quantized: the matrix read back, and the bytes of codes and scales."""
    found = quantize(trace.pruned, scheme)  # 0 has the code 0 in every absmax scheme
    codes = pack(found.codes[trace.mask], scheme.bits, True)
    return found.dequantized, codes.nbytes + found.scales.numel() * scheme.scale_bits // 8


def mask_bytes(trace: PruneTrace) -> int:
    return bitmask(trace.mask.float()).tensors["bits"].nbytes


@on_gpu(seconds=60)
def equal(settings: Settings, scheme: str) -> Equal:
    """The settings' matrix in both ways, and cut and quantized, at the bytes of the scheme.

    Raises InputError where equal bytes cannot be had, and for what the scheme refuses.
    """
    spec = writer(settings.model)
    _, seen = MATRICES.run(settings, lambda: see(settings))
    weight, method = seen.trace.weight, settings.method
    finer = SCHEMES[RIVALS[scheme]]
    with memory_for(spec), load(spec) as loaded, torch.inference_mode():
        x = read_by(loaded, seen.matrix.name, settings)
        try:
            trace = quantize(weight, SCHEMES[scheme], x)
            budget, n = sum(t.nbytes for t in pack_trace(trace).values()), weight.numel()
            share = sparsity_for(budget, [n], VALUE_BITS, 0)
            stored = bitmask(prune(weight, method, share, activations=x).pruned, torch.bfloat16)
            scales = len(weight) * finer.scale_bits // 8
            cut = prune(weight, method, sparsity_for(budget, [n], finer.bits, scales), activations=x)
            both, nbytes = quantized_kept(cut, finer)
        except InputError:
            raise
        except ValueError as error:
            raise InputError(f"{seen.matrix.name} cannot be written so. {error}") from error
        back = restore(stored).float()

        def form(changed: Tensor, size: int, sparsity: float) -> Form:
            return Form(changed, size, sparsity, output_error(weight, changed, x))

        return Equal(
            seen.settings,
            scheme,
            finer.name,
            weight,
            form(trace.dequantized, budget, 0.0),
            form(back, stored.nbytes, float((back == 0).float().mean())),
            form(both, nbytes + mask_bytes(cut), cut.achieved),
        )


@on_gpu(seconds=120)
def contest(plan: Plan, scheme: str, check: Check) -> Iterator[Rows]:
    """The plan's model in each form, at the bytes of the scheme, but for 2:4, which leaves no choice."""
    spec = writer(plan.model)
    with memory_for(spec), load(spec) as loaded:
        whole, rows = matrices(loaded.model), []
        weights = [m.rows * m.columns for m in whole]

        def row(name: str, kind: str, model: nn.Module, nbytes: int, cut: int) -> Rows:
            *_, score = compared(loaded, model, check)
            rows.append(Row(name, kind, nbytes, sum(weights), cut / sum(weights), score))
            return Rows(tuple(rows), "", False)

        text = batches(loaded, "calibration", plan.sequences)
        try:
            model, budget = _quantized(loaded, whole, SCHEMES[scheme], text, check)
            yield row(scheme, "quantized", model, budget, 0)
            share = sparsity_for(budget, weights, VALUE_BITS, 0)
            yield row(f"{100 * share:.1f} % cut", "pruned", *_pruned(loaded, plan, share, text, check))
            finer = SCHEMES[RIVALS[scheme]]
            scales = sum(m.rows for m in whole) * finer.scale_bits // 8
            share = sparsity_for(budget, weights, finer.bits, scales)
            made = _both(loaded, plan, share, "unstructured", finer, text, check)
            yield row(f"{100 * share:.1f} % cut, {finer.name}", "both", *made)
        except InputError:
            raise
        except ValueError as error:
            raise InputError(f"The model cannot be written so. {error}") from error
        refused = ""
        try:
            made = _both(loaded, plan, 0.5, "2:4", finer, text, check)
            yield row(f"2:4, {finer.name}", "2:4", *made)
        except ValueError as error:
            refused = str(error)
        yield Rows(tuple(rows), refused, True)


def _quantized(
    loaded: Loaded, whole: Sequence[Matrix], scheme: Scheme, text: list, check: Check
) -> tuple[nn.Module, int]:
    """A copy of the model in that scheme, and the bytes of its matrices."""
    model, nbytes = copy.deepcopy(loaded.model), 0
    for done in requantize(model, dict.fromkeys((m.name for m in whole), scheme), text):
        check()
        nbytes += sum(t.nbytes for t in pack_trace(done.trace).values())
    return model, nbytes


def _pruned(loaded: Loaded, plan: Plan, share: float, text: list, check: Check) -> tuple[nn.Module, int, int]:
    """A copy with that share cut, as read back from bitmasks; their bytes, and how many weights were cut."""
    model, nbytes, cut, back = copy.deepcopy(loaded.model), 0, 0, {}
    read = text if plan.method in READERS else []
    for matrix, trace in prune_model(model, plan.method, share, "unstructured", read):
        check()
        stored = bitmask(trace.pruned, torch.bfloat16)
        back[matrix.name] = restore(stored)
        nbytes, cut = nbytes + stored.nbytes, cut + int((~trace.mask).sum())
    _put(model, back)
    return model, nbytes, cut


def _both(
    loaded: Loaded, plan: Plan, share: float, pattern: str, scheme: Scheme, text: list, check: Check
) -> tuple[nn.Module, int, int]:
    """The same, what is left quantized. Under 2:4 the places of the weights stand for the bitmask."""
    model, nbytes, cut, back = copy.deepcopy(loaded.model), 0, 0, {}
    read = text if plan.method in READERS else []
    for matrix, trace in prune_model(model, plan.method, share, pattern, read):
        check()
        back[matrix.name], size = quantized_kept(trace, scheme)
        where = two_of_four(trace.pruned).tensors["places"].nbytes if pattern == "2:4" else mask_bytes(trace)
        nbytes, cut = nbytes + size + where, cut + int((~trace.mask).sum())
    _put(model, back)
    return model, nbytes, cut


def _put(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Only once all are cut: calibration saw what pruning alone gives."""
    for name, weight in weights.items():
        weight_of(model.get_submodule(name)).copy_(weight)


@on_gpu(seconds=120)
def contests(plan: Plan, check: Check) -> Iterator[dict[str, Rows]]:
    """The same at the bytes of several schemes: by scheme, those measured so far."""
    points: dict[str, Rows] = {}
    for scheme in WIDTHS:
        stream = MODELS.stream((plan, scheme), lambda scheme=scheme: contest(plan, scheme, check))
        for _, points[scheme] in stream:
            yield dict(points)
