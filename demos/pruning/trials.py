"""What the page's later stages run on a pruned model: it writes, and it is weighed."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from demos.kit.blocks import Matrix, matrices, stack, weight_of
from demos.kit.calibration import compared
from demos.kit.compressing import Reading, writer
from demos.kit.device import on_gpu
from demos.kit.language import prompt_ids, sequences
from demos.kit.models import Loaded, load
from demos.kit.passes import memory_for, on_threads
from demos.kit.runs import Runs
from demos.kit.timing import rest_of, token_times
from demos.kit.writing import Written, write_both
from demos.pruning.algorithm import prune
from demos.pruning.controls import Plan, Settings
from demos.pruning.storage import Stored, as_sparse, bitmask, csr, dense, median_ms, two_of_four
from demos.pruning.structure import STRUCTURES, count, remove, survivors
from demos.pruning.work import MATRICES, Check, Seen, changed, read_by, see

STORED_AS = torch.bfloat16  # the type of weights in a file
PROMPT_TOKENS = 32  # read before the first token whose time is taken


@dataclass(frozen=True)
class MatrixForm:
    """One form of a matrix. shape: of the numbers that are multiplied. milliseconds: of a product with one
    vector, None where that was not timed."""

    name: str
    nbytes: int
    shape: tuple[int, int]
    milliseconds: float | None


@dataclass(frozen=True)
class ModelForm:
    """One form of a model. nbytes: of its tensors in STORED_AS; file: of a file of them. parameters: that
    stand in its matrices, zeros among them. milliseconds of a token and perplexity: None until measured."""

    name: str
    nbytes: int
    file: int
    parameters: int
    milliseconds: float | None = None
    perplexity: float | None = None


@dataclass(frozen=True)
class Weighed:
    """A pruned matrix, its name, and a pruned model in their forms. refused: sentences on forms that cannot
    be had."""

    name: str
    matrix: tuple[MatrixForm, ...]
    models: tuple[ModelForm, ...]
    refused: tuple[str, ...]
    done: bool


TEXTS: Runs[Written] = Runs(20_000_000, 1800, lambda written: 40_000)


@on_gpu(seconds=120)
def write(plan: Plan, reading: Reading, check: Check) -> Iterator[Written]:
    """The prompt continued by the full and the plan's model. Raises InputError for a model of pictures."""
    spec = writer(plan.model)
    with memory_for(spec), load(spec) as loaded:
        ids = prompt_ids(loaded, reading.prompt)
        *_, state = changed(loaded, plan, check)
        yield from write_both(loaded, state.model, ids, reading, check)


@on_gpu(seconds=120)
def weigh(settings: Settings, plan: Plan, check: Check) -> Iterator[Weighed]:
    """The forms of the settings' matrix and of the plan's model, with what is measured so far."""
    spec = writer(plan.model)
    _, seen = MATRICES.run(settings, lambda: see(settings))
    with memory_for(spec), load(spec) as loaded:
        yield from on_threads(spec, _weigh(loaded, seen, plan, check))


def _weigh(loaded: Loaded, seen: Seen, plan: Plan, check: Check) -> Iterator[Weighed]:
    """`weigh`, of a model that is lent."""
    of_matrix, refused = _matrix_forms(loaded, seen)
    yield Weighed(seen.matrix.name, of_matrix, (), refused, False)
    forms, models, more = _model_forms(loaded, plan, check)
    refused = tuple(dict.fromkeys((*refused, *more)))
    yield Weighed(seen.matrix.name, of_matrix, tuple(forms), refused, False)
    prompt = sequences(loaded, "held_out", 1)[:, :PROMPT_TOKENS].to(loaded.model.device)
    timed = list(models)
    for times in token_times([models[place] for place in timed], prompt, check):
        for place, took in zip(timed, times, strict=True):
            forms[place] = replace(forms[place], milliseconds=took)
        yield Weighed(seen.matrix.name, of_matrix, tuple(forms), refused, False)
    for place, model in models.items():
        *_, last = compared(loaded, model, check)
        forms[place] = replace(forms[place], perplexity=last.perplexity)
        yield Weighed(seen.matrix.name, of_matrix, tuple(forms), refused, False)
    yield Weighed(seen.matrix.name, of_matrix, tuple(forms), refused, True)


def stored_forms(weight: Tensor) -> tuple[list[Stored], list[str]]:
    """The pruned matrix in each way of storage, and why 2:4 is not among them, if so."""
    forms, refused = [store(weight, STORED_AS) for store in (dense, csr, bitmask)], []
    try:
        forms.append(two_of_four(weight, STORED_AS))
    except ValueError as error:
        refused.append(str(error))
    return forms, refused


def _matrix_forms(loaded: Loaded, seen: Seen) -> tuple[tuple[MatrixForm, ...], tuple[str, ...]]:
    weight, s = seen.trace.pruned, seen.settings
    x = read_by(loaded, seen.matrix.name, s)
    # The same share as whole rows, really taken out.
    rows = prune(seen.trace.weight, s.method, s.sparsity, "rows", x).mask.any(1)
    small, sparse = weight[rows].contiguous(), as_sparse(csr(weight))
    vector = x[:1]
    times = median_ms(
        {
            "dense": lambda: vector @ weight.T,
            "CSR": lambda: (sparse @ vector.T).T,
            "rows removed": lambda: vector @ small.T,
        }
    )
    stored, refused = stored_forms(weight)
    forms = [MatrixForm(f.format, f.nbytes, f.shape, times.get(f.format)) for f in stored]
    removed = dense(small, STORED_AS)
    forms.append(MatrixForm("rows removed", removed.nbytes, removed.shape, times["rows removed"]))
    return tuple(forms), tuple(refused)


def _model_forms(
    loaded: Loaded, plan: Plan, check: Check
) -> tuple[list[ModelForm], dict[int, nn.Module], list[str]]:
    """The forms, the models of those that can be run by their place among the forms, and what was refused."""
    *_, state = changed(loaded, plan, check)
    whole, pruned = matrices(loaded.model), state.model
    weights = {m.name: weight_of(pruned.get_submodule(m.name)) for m in whole}
    forms = [_weighed("full", _tensors(loaded.model), loaded.model, whole)]
    forms.append(_weighed("cut weights stored as 0", _tensors(pruned), pruned, whole))
    # A copy: in other visitors' passes the shared one stays in the processor's cache, and would seem faster.
    models, refused = {0: copy.deepcopy(loaded.model), 1: pruned}, []
    rest = rest_of(pruned, weights)
    for store in (csr, bitmask, two_of_four):
        check()
        try:
            stored = {name: store(weight, STORED_AS) for name, weight in weights.items()}
        except ValueError as error:
            refused.append(str(error))
            continue
        tensors = {f"{name}.{part}": t for name, s in stored.items() for part, t in s.tensors.items()}
        forms.append(_weighed(next(iter(stored.values())).format, tensors | rest, pruned, whole))
    for structure in STRUCTURES:
        try:
            count(stack(loaded.model)[1][0], structure)
        except ValueError as error:
            refused.append(str(error))
            continue
        own = plan if plan.pattern == structure else replace(plan, pattern=structure, others=())
        *_, cut = changed(loaded, own, check)
        alive = {name: survivors(cut.model, name) for name in STRUCTURES}
        small = remove(cut.model, alive["heads"], alive["units"])
        models[len(forms)] = small
        share = 100 * sum(int((~g).sum()) for g in alive[structure]) / sum(len(g) for g in alive[structure])
        forms.append(_weighed(f"{share:.3g} % of the {structure} removed", _tensors(small), small, whole))
    return forms, models, refused


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().to(STORED_AS) for name, parameter in model.named_parameters()}


def _weighed(name: str, tensors: dict[str, Tensor], model: nn.Module, whole: list[Matrix]) -> ModelForm:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save_file({key: tensor.contiguous().cpu() for key, tensor in tensors.items()}, path)
        size = path.stat().st_size
    parameters = sum(weight_of(model.get_submodule(m.name)).numel() for m in whole)
    return ModelForm(name, sum(t.nbytes for t in tensors.values()), size, parameters)
