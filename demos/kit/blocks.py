"""A model as a stack of layers with weight matrices in them, whoever made it.

Letters: X [n, in], what a matrix reads, one row for each position; Y = X Wᵀ.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True)
class Matrix:
    """One weight matrix of a layer. name: of its module in the model; kind: the same within its layer."""

    name: str
    layer: int
    kind: str
    rows: int
    columns: int


def stack(model: nn.Module) -> tuple[str, nn.ModuleList]:
    """The layers of the model and their name: its longest list of modules of one class.

    Raises ValueError for a model that is no such stack.
    """
    lists = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len({type(each) for each in module}) == 1
    ]
    found = max(lists, key=lambda pair: len(pair[1]), default=None)
    if found is None:
        raise ValueError(f"A stack of layers was expected; {type(model).__name__} has none.")
    return found


def matrices(model: nn.Module) -> list[Matrix]:
    """The weight matrices of all layers, in the order in which the layers hold them."""
    prefix, layers = stack(model)
    found = []
    for n, layer in enumerate(layers):
        for kind, module in layer.named_modules():
            if _holds_matrix(module):
                found.append(Matrix(f"{prefix}.{n}.{kind}", n, kind, *weight_of(module).shape))
    return found


def weight_of(module: nn.Module) -> Float[Tensor, "out in"]:
    """The module's weights, a view: what is written into it the model has."""
    return module.weight.data if isinstance(module, nn.Linear) else module.weight.data.T


def _holds_matrix(module: nn.Module) -> bool:
    # GPT-2's Conv1D is a linear map whose weights are stored as [in, out].
    return isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"


@contextmanager
def reading(modules: dict[str, nn.Module]) -> Iterator[dict[str, list[Tensor]]]:
    """While the block runs, what each module reads in this thread is kept, as [n, in] for each pass."""
    read: dict[str, list[Tensor]] = {name: [] for name in modules}

    def keep(name: str):
        def hook(inputs: tuple, options: dict) -> None:
            x = inputs[0] if inputs else options["input"]
            read[name].append(x.detach().reshape(-1, x.shape[-1]))

        return hook

    with ExitStack() as hooks:
        for name, module in modules.items():
            hooks.enter_context(_before(module, keep(name)))
        yield read


@contextmanager
def _before(module: nn.Module, does: Callable[[tuple, dict], None]) -> Iterator[None]:
    """While the block runs, `does` sees what the module is given, before each of its passes in this thread.

    In this thread alone: the model is shared, and another visitor's pass is not to be seen nor ended.
    """
    mine = threading.get_ident()

    def hook(_, inputs, options):
        if threading.get_ident() == mine:
            does(inputs, options)

    handle = module.register_forward_pre_hook(hook, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


class _ReachedError(Exception):
    """What was to be seen was reached: its input is known, and the rest of the pass is not needed."""


@torch.no_grad()
def walk(model: nn.Module, batches: Sequence[dict[str, Tensor]]) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """Layer by layer, what its matrices read: (number of the layer, name of a matrix -> X).

    batches: the model's inputs by name. Whoever is given a layer may change its weights: the layer then
    runs once more, so that the next one is shown what it will read after the change (Frantar et al. 2023).
    """
    prefix, layers = stack(model)
    states = [_first(model, layers[0], batch) for batch in _fresh(model, batches)]
    for n, layer in enumerate(layers):
        modules = {
            f"{prefix}.{n}.{kind}": module for kind, module in layer.named_modules() if _holds_matrix(module)
        }
        with reading(modules) as read:
            for hidden, inputs, options in states:
                layer(hidden, *inputs, **options)
        yield n, {name: torch.cat(xs) for name, xs in read.items() if xs}
        if n == len(layers) - 1:
            return
        for i, (hidden, inputs, options) in enumerate(states):
            after = layer(hidden, *inputs, **options)
            states[i] = (after[0] if isinstance(after, tuple) else after, inputs, options)


@torch.no_grad()
def inputs_of(model: nn.Module, name: str, batches: Sequence[dict[str, Tensor]]) -> Float[Tensor, "n in"]:
    """X of one matrix, in the model as it is; no pass goes further than to that matrix."""
    module = model.get_submodule(name)
    read = [_given(model, module, batch)[0][0] for batch in _fresh(model, batches)]
    return torch.cat([x.reshape(-1, x.shape[-1]) for x in read])


def _fresh(model: nn.Module, batches: Sequence[dict[str, Tensor]]) -> list[dict[str, Tensor]]:
    """Without a cache of keys and values, in which a layer's second run would read those of its first."""
    caches = getattr(getattr(model, "config", None), "use_cache", False)
    return [{**batch, "use_cache": False} if caches else batch for batch in batches]


def _first(model: nn.Module, layer: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, tuple, dict]:
    """What the first layer is given for a batch: its hidden states, and its other inputs."""
    inputs, options = _given(model, layer, batch)
    if inputs:
        return inputs[0], inputs[1:], options
    options = dict(options)
    return options.pop("hidden_states"), (), options


def _given(model: nn.Module, module: nn.Module, batch: dict[str, Tensor]) -> tuple[tuple, dict]:
    """What the module is given in a pass of the batch, which ends there."""
    given = []

    def stop(inputs: tuple, options: dict) -> None:
        given.append((inputs, options))
        raise _ReachedError

    with _before(module, stop), suppress(_ReachedError):
        model(**batch)
    return given[0]
