"""What the page's events run: matrices and models of the zoo in few bits."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from demos.kit.blocks import Matrix, inputs_of, matrices, weight_of
from demos.kit.calibration import batches, compared, named
from demos.kit.compressing import CHOICES
from demos.kit.device import on_gpu
from demos.kit.inputs import InputError
from demos.kit.models import Loaded, load
from demos.kit.passes import memory_for, to_the_last
from demos.kit.runs import Runs
from demos.kit.scores import Agreement, Score
from demos.quantization.algorithm import QuantTrace, quantize
from demos.quantization.controls import KEEP, Plan, Settings, scheme_of
from demos.quantization.llm_int8 import outlier_columns
from demos.quantization.network import fallback, output_error, requantize
from demos.quantization.packing import pack_trace
from demos.quantization.scheme import INT8_ABSMAX

LOOK = 4  # sequences, where a scheme does not learn from them

Check = Callable[[], None]


@dataclass(frozen=True)
class Seen:
    """One matrix in one scheme, and what it does on `read` vectors of the calibration text.

    largest: greatest |x| of each input channel. outliers: the channels where it reaches the threshold. lost:
    the part of the outputs' power that is lost. rms_of_int8: the error's root mean square with int8 absmax,
    to compare with. names: of all matrices of the model.
    """

    settings: Settings
    matrix: Matrix
    trace: QuantTrace
    largest: Float[Tensor, " in"]
    outliers: Bool[Tensor, " in"]
    lost: float
    rms_of_int8: float
    read: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """One matrix of a model that was changed. noise: the error's share of the weights' power."""

    matrix: Matrix
    scheme: str
    noise: float
    bits: float
    nbytes: int


@dataclass(frozen=True)
class Changed:
    """A model as its plan says. cells: of the matrices done so far; model: once all are done; packed: name
    of a matrix -> what is stored of it."""

    cells: tuple[Cell, ...]
    model: nn.Module | None
    others: tuple[Matrix, ...]
    packed: dict[str, dict[str, Tensor]]

    @property
    def nbytes(self) -> int:
        weights = 0 if self.model is None else sum(t.nbytes for t in self.model.parameters())
        return weights + sum(t.nbytes for parts in self.packed.values() for t in parts.values())


@dataclass(frozen=True)
class Measured:
    """A plan's model on held-out text, or on pictures; score None while its matrices are not all done.

    matrices: all of the model's. bits: of a weight of those changed. done: whether all the text was read.
    """

    cells: tuple[Cell, ...]
    others: tuple[Matrix, ...]
    matrices: tuple[Matrix, ...]
    score: Score | Agreement | None
    done: bool

    @property
    def bits(self) -> float:
        weights = sum(cell.matrix.rows * cell.matrix.columns for cell in self.cells)
        return sum(cell.bits * cell.matrix.rows * cell.matrix.columns for cell in self.cells) / weights


INPUTS: Runs[Tensor] = Runs(100_000_000, 1800, lambda x: x.nbytes)
MATRICES: Runs[Seen] = Runs(200_000_000, 1800, lambda seen: 9 * seen.trace.codes.numel())
MODELS: Runs[Changed] = Runs(400_000_000, 1800, lambda changed: changed.nbytes)
SCORES: Runs[Measured] = Runs(5_000_000, 1800, lambda measured: 10_000)


@on_gpu(seconds=60)
def see(settings: Settings) -> Seen:
    """One matrix; the model's first where none is named.

    Raises InputError for a name that the model does not have, and for a scheme that the matrix cannot take.
    """
    spec = CHOICES[settings.model][0]
    scheme = scheme_of(settings.scheme, settings.threshold)
    with memory_for(spec), load(spec) as loaded:
        matrix, names = named(loaded, settings.matrix)
        count = settings.sequences if scheme.method != "nearest" else min(settings.sequences, LOOK)
        with torch.inference_mode():
            _, x = INPUTS.run((settings.model, matrix.name, count), lambda: _read(loaded, matrix.name, count))
            weight = weight_of(loaded.model.get_submodule(matrix.name)).float()
            try:
                trace = quantize(weight, scheme, x)
            except ValueError as error:
                raise InputError(f"{matrix.name} cannot be written so. {error}") from error
            lost = output_error(weight, trace.dequantized, x)
            rms_of_int8 = quantize(weight, INT8_ABSMAX).rms
            outliers, largest = outlier_columns(x, weight, settings.threshold), x.abs().amax(0)
        return Seen(settings, matrix, trace, largest, outliers, lost, rms_of_int8, len(x), names)


def _read(loaded: Loaded, matrix: str, count: int) -> Float[Tensor, "n in"]:
    return inputs_of(loaded.model, matrix, batches(loaded, "calibration", count)).float()


def change(loaded: Loaded, plan: Plan, check: Check) -> Iterator[Changed]:
    """The model as the plan says, matrix by matrix; the one that was lent stays as it is."""
    model = copy.deepcopy(loaded.model)
    own = dict(plan.others)
    if unknown := sorted(own.keys() - {matrix.name for matrix in matrices(model)}):
        raise InputError(
            f"Matrices of {plan.model} are expected in the map; got {len(unknown)} others, such as "
            f"{unknown[0]:.80}. Clear the single schemes."
        )
    schemes, kept = {}, []
    for matrix in matrices(model):
        name = own.get(matrix.name, plan.scheme)
        if name == KEEP:
            kept.append(matrix)
        else:
            schemes[matrix.name] = fallback(scheme_of(name, plan.threshold), matrix.columns)
    others, cells, packed = tuple(kept), [], {}
    read = any(scheme.method != "nearest" for scheme in schemes.values())
    text = batches(loaded, "calibration", plan.sequences) if read else []
    check()
    try:
        for done in requantize(model, schemes, text):
            check()
            noise = 10 ** (-done.trace.snr_db / 10)
            cells.append(
                Cell(done.matrix, done.scheme.name, noise, done.trace.bits_per_weight, done.trace.nbytes)
            )
            packed[done.matrix.name] = pack_trace(done.trace)
            yield Changed(tuple(cells), None, others, packed)
    except ValueError as error:
        raise InputError(f"The model cannot be written so. {error}") from error
    yield Changed(tuple(cells), model, others, packed)


def changed(loaded: Loaded, plan: Plan, check: Check) -> Iterator[Changed]:
    """`change`, kept: the last state alone where the plan's model is on the shelf."""
    for _, state in MODELS.stream(plan, lambda: change(loaded, plan, check)):
        yield state


@on_gpu(seconds=120)
def measure(plan: Plan, check: Check) -> Iterator[Measured]:
    """The plan's model as it is made and then read. Raises InputError, LoadError."""
    spec = CHOICES[plan.model][0]
    with memory_for(spec), load(spec) as loaded:
        yield from to_the_last(_measured(loaded, plan, check))


def _measured(loaded: Loaded, plan: Plan, check: Check) -> Iterator[Measured]:
    whole = tuple(matrices(loaded.model))
    for state in changed(loaded, plan, check):
        yield Measured(state.cells, state.others, whole, None, False)
    last = None
    for last in compared(loaded, state.model, check):
        yield Measured(state.cells, state.others, whole, last, False)
    yield Measured(state.cells, state.others, whole, last, True)


@on_gpu(seconds=120)
def sweep(base: Plan, names: tuple[str, ...], check: Check) -> Iterator[dict[str, Measured]]:
    """Every scheme for all matrices of the model, one after the other: those measured so far."""
    points: dict[str, Measured] = {}
    for name in names:
        plan = replace(base, scheme=name, others=())
        *_, (_, points[name]) = SCORES.stream(plan, lambda plan=plan: measure(plan, check))
        yield dict(points)
