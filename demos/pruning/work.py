"""What the page's events run: matrices and models of the zoo with weights cut."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from demos.kit.blocks import Matrix, inputs_of, matrices, stack, walk, weight_of
from demos.kit.calibration import batches, compared, named
from demos.kit.compressing import CHOICES
from demos.kit.device import on_gpu
from demos.kit.inputs import InputError
from demos.kit.models import Loaded, load
from demos.kit.passes import memory_for, to_the_last
from demos.kit.runs import Runs
from demos.kit.scores import Agreement, Score
from demos.pruning.algorithm import READERS, PruneTrace, output_error, prune, weight_scores
from demos.pruning.controls import FIXED, METHODS, Plan, Settings, point
from demos.pruning.network import prune_model
from demos.pruning.structure import STRUCTURES, prune_groups

LOOK = 4  # sequences that a method reads which does not choose by them
SPARSITIES = (0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9)  # of the curve

Check = Callable[[], None]


@dataclass(frozen=True)
class Seen:
    """One matrix, pruned, and what that does on `read` vectors of the calibration text.

    lost: the part of the outputs' power that is lost. names: of all matrices of the model.
    """

    settings: Settings
    matrix: Matrix
    trace: PruneTrace
    lost: float
    read: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """One matrix of a pruned model. cut: weights. lost: of its outputs' power, on what it reads in the
    model as it was."""

    matrix: Matrix
    cut: int
    lost: float

    @property
    def achieved(self) -> float:
        return self.cut / (self.matrix.rows * self.matrix.columns)


@dataclass(frozen=True)
class Changed:
    """A model as its plan says. cells: of the matrices done so far; model: once all are done; kept: the
    matrices that stay whole."""

    cells: tuple[Cell, ...]
    model: nn.Module | None
    kept: tuple[Matrix, ...]

    @property
    def nbytes(self) -> int:
        return 0 if self.model is None else sum(t.nbytes for t in self.model.parameters())


@dataclass(frozen=True)
class Measured:
    """A plan's model on held-out text, or on pictures; score None while its matrices are not all done.

    matrices: all of the model's. done: whether all the text was read.
    """

    cells: tuple[Cell, ...]
    kept: tuple[Matrix, ...]
    matrices: tuple[Matrix, ...]
    score: Score | Agreement | None
    done: bool

    @property
    def achieved(self) -> float:
        """The share of the weights of all matrices that was cut."""
        return sum(cell.cut for cell in self.cells) / sum(m.rows * m.columns for m in self.matrices)


INPUTS: Runs[Tensor] = Runs(100_000_000, 1800, lambda x: x.nbytes)
MATRICES: Runs[Seen] = Runs(200_000_000, 1800, lambda seen: 13 * seen.trace.mask.numel())
MODELS: Runs[Changed] = Runs(400_000_000, 1800, lambda changed: changed.nbytes)
SCORES: Runs[Measured] = Runs(5_000_000, 1800, lambda measured: 10_000)


@on_gpu(seconds=60)
def see(settings: Settings) -> Seen:
    """One matrix; the model's first where none is named.

    Raises InputError for a name that the model does not have, and for what the matrix cannot be cut to.
    """
    spec = CHOICES[settings.model][0]
    with memory_for(spec), load(spec) as loaded:
        matrix, names = named(loaded, settings.matrix)
        with torch.inference_mode():
            x = read_by(loaded, matrix.name, settings)
            try:
                trace = _trace(loaded, matrix, settings, x)
            except ValueError as error:
                raise InputError(f"{matrix.name} cannot be pruned so. {error}") from error
            lost = output_error(trace.weight, trace.pruned, x)
        return Seen(settings, matrix, trace, lost, len(x), names)


def read_by(loaded: Loaded, name: str, settings: Settings) -> Float[Tensor, "n in"]:
    """X of the matrix of that name: a few vectors, or, for a method that chooses by them, all."""
    count = settings.sequences if settings.method in READERS else min(settings.sequences, LOOK)
    given = ("read", settings.model, name, count)

    def read() -> Tensor:
        return inputs_of(loaded.model, name, batches(loaded, "calibration", count)).float()

    return INPUTS.run(given, read)[1]


def _trace(loaded: Loaded, matrix: Matrix, settings: Settings, x: Tensor) -> PruneTrace:
    weight = weight_of(loaded.model.get_submodule(matrix.name)).float()
    if settings.pattern not in STRUCTURES:
        return prune(weight, settings.method, settings.sparsity, settings.pattern, x)
    prefix, layers = stack(loaded.model)
    layer, scores = layers[matrix.layer], {}
    names = {kind: f"{prefix}.{matrix.layer}.{kind}" for kind in STRUCTURES[settings.pattern]}
    for kind, name in names.items():
        if kind in dict(layer.named_modules()):
            read = read_by(loaded, name, settings) if settings.method in READERS else None
            its = weight_of(layer.get_submodule(kind)).float()
            scores[kind] = weight_scores(its, settings.method, read)
    masks = prune_groups(layer, settings.pattern, scores, settings.sparsity).masks
    S = scores.get(matrix.kind)
    if S is None:  # a matrix without such groups stays whole
        S = weight_scores(weight, settings.method, x)
    mask = masks.get(matrix.kind, torch.ones_like(weight, dtype=torch.bool))
    pruned = torch.where(mask, weight, 0)
    return PruneTrace(weight.clone(), mask, pruned, S, settings.method, settings.pattern, settings.sparsity)


def change(loaded: Loaded, plan: Plan, check: Check) -> Iterator[Changed]:
    """The model as the plan says, matrix by matrix; the one that was lent stays as it is."""
    model = copy.deepcopy(loaded.model)
    whole, layers = matrices(model), range(len(stack(model)[1]))
    if wrong := [layer for layer, _ in plan.others if layer not in layers]:
        raise InputError(f"Layers 0 to {layers[-1]} are expected; got {wrong[0]}.")
    asked = dict.fromkeys(layers, plan.sparsity) | dict(plan.others)
    asked = {layer: sparsity for layer, sparsity in asked.items() if sparsity}
    kinds = STRUCTURES.get(plan.pattern)
    kept = tuple(m for m in whole if m.layer not in asked or (kinds and m.kind not in kinds))
    text = batches(loaded, "calibration", plan.sequences) if plan.method in READERS else []
    before = walk(loaded.model, batches(loaded, "calibration", min(plan.sequences, LOOK)))
    cells, at, read = [], -1, {}
    check()
    try:
        for matrix, trace in prune_model(model, plan.method, asked, plan.pattern, text):
            check()
            while at < matrix.layer:
                at, read = next(before)
            lost = output_error(trace.weight, trace.pruned, read[matrix.name].float())
            cells.append(Cell(matrix, int((~trace.mask).sum()), lost))
            yield Changed(tuple(cells), None, kept)
    except ValueError as error:
        raise InputError(f"The model cannot be pruned so. {error}") from error
    yield Changed(tuple(cells), model, kept)


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
        yield Measured(state.cells, state.kept, whole, None, False)
    last = None
    for last in compared(loaded, state.model, check):
        yield Measured(state.cells, state.kept, whole, last, False)
    yield Measured(state.cells, state.kept, whole, last, True)


@on_gpu(seconds=120)
def sweep(base: Plan, check: Check) -> Iterator[dict[str, tuple[Plan, Measured]]]:
    """The plans of `points_of`: by name, those measured so far."""
    points: dict[str, tuple[Plan, Measured]] = {}
    for name, plan in points_of(base).items():
        *_, (_, found) = SCORES.stream(plan, lambda plan=plan: measure(plan, check))
        points[name] = plan, found
        yield dict(points)


def points_of(base: Plan) -> dict[str, Plan]:
    """The plan itself first, and all methods at several sparsities, each under its name."""
    shares = (FIXED[base.pattern],) if base.pattern in FIXED else SPARSITIES
    plans = [base] + [replace(base, method=m, sparsity=s) for s in shares for m in METHODS]
    return {point(plan.method, plan.sparsity): plan for plan in plans}
