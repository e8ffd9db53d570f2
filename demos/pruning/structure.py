"""Heads and MLP units: groups of weights that span the matrices of a layer, cut and removed as one.

A head: its rows of q, k and v and its columns of o. Where heads share a key and value head (grouped-query
attention, Ainslie et al. 2023) they form one group with it and go together: kernels expect the same
number of query heads for each key and value head. Unit i of the MLP: row i of gate and up, column i of
down. The layers are those of Llama and its kin. G: the number of groups in a layer.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from demos.kit.blocks import stack
from demos.pruning.selection import lowest

# Matrix of a layer -> the axis along which its groups lie; the last one writes what the group computed.
HEADS = {"self_attn.q_proj": 0, "self_attn.k_proj": 0, "self_attn.v_proj": 0, "self_attn.o_proj": 1}
UNITS = {"mlp.gate_proj": 0, "mlp.up_proj": 0, "mlp.down_proj": 1}
STRUCTURES = {"heads": HEADS, "units": UNITS}


@dataclass(frozen=True)
class GroupTrace:
    """Which groups of one layer were kept. scores: of each group. masks: by matrix, True where kept."""

    structure: str
    scores: Float[Tensor, " G"]
    kept: Bool[Tensor, " G"]
    masks: dict[str, Bool[Tensor, "_ _"]]


def count(layer: nn.Module, structure: str) -> int:
    """How many groups the layer has. Raises ValueError for a layer that is not like Llama's."""
    if structure not in STRUCTURES:
        raise ValueError(f"The structure must be one of {', '.join(STRUCTURES)}; got {structure}.")
    names = {name for name, _ in layer.named_modules()}
    missing = [kind for kind in STRUCTURES[structure] if kind not in names]
    if missing:
        raise ValueError(
            f"{structure} are found in layers like Llama's; {type(layer).__name__} has no {missing[0]}."
        )
    if structure == "units":
        return layer.mlp.gate_proj.out_features
    return layer.self_attn.k_proj.out_features // layer.self_attn.head_dim


def prune_groups(
    layer: nn.Module, structure: str, scores: Mapping[str, Float[Tensor, "_ _"]], sparsity: float
) -> GroupTrace:
    """Cut the round(sparsity * G) groups whose scores have the lowest sum; of equal ones the first.

    scores: of every weight, by the matrix's name within the layer. The layer is left as it is.
    Raises ValueError as `count` does, and for a sparsity outside 0..1.
    """
    if not 0 <= sparsity <= 1:
        raise ValueError(f"Sparsity must lie between 0 and 1; got {sparsity}.")
    G = count(layer, structure)
    axes = STRUCTURES[structure]
    sums = sum(scores[kind].movedim(axis, 0).reshape(G, -1).sum(1) for kind, axis in axes.items())
    kept = ~lowest(sums[None], round(sparsity * G))[0]
    return GroupTrace(structure, sums, kept, masks(kept, structure, {k: scores[k].shape for k in axes}))


def masks(
    kept: Bool[Tensor, " G"], structure: str, shapes: Mapping[str, Sequence[int]]
) -> dict[str, Bool[Tensor, "_ _"]]:
    """For each matrix of the structure, by its [out, in], True at the weights of the groups kept."""
    found = {}
    for kind, axis in STRUCTURES[structure].items():
        along = kept.repeat_interleave(shapes[kind][axis] // len(kept))
        across = along[:, None] if axis == 0 else along[None, :]
        found[kind] = across.expand(*shapes[kind]).clone()
    return found


def survivors(model: nn.Module, structure: str) -> list[Bool[Tensor, " _"]]:
    """For each layer, True at the groups that write something: their columns of o or down are not all 0.

    Raises ValueError as `count` does.
    """
    alive = []
    for layer in stack(model)[1]:
        G = count(layer, structure)
        writer = layer.get_submodule(list(STRUCTURES[structure])[-1])
        alive.append((writer.weight.T.reshape(G, -1) != 0).any(1))
    return alive


def remove(
    model: nn.Module, heads: Sequence[Bool[Tensor, " _"]], units: Sequence[Bool[Tensor, " _"]]
) -> nn.Module:
    """A copy of the model whose matrices hold the groups kept only; it computes what the model with the
    other groups set to 0 computes.

    heads, units: for each layer, True at the groups kept. A layer that keeps no head, or no unit, has one
    left that writes 0: attention without heads has no shape, and the cache counts positions by it. Where
    all layers keep the same number, the config is told, and the copy can be saved and loaded.
    Raises ValueError as `count` does, and for numbers of layers or groups that are not the model's.
    """
    small = deepcopy(model)
    layers = stack(small)[1]
    for structure, kept in (("heads", heads), ("units", units)):
        want = [count(layer, structure) for layer in layers]
        if [len(k) for k in kept] != want:
            raise ValueError(
                f"{structure} were expected for {want}, layer by layer; got {[len(k) for k in kept]}."
            )
    for layer, h, u in zip(layers, heads, units, strict=True):
        _shrink(layer, "heads", h)
        _shrink(layer, "units", u)
    _tell(small, layers)
    return small


def _shrink(layer: nn.Module, structure: str, kept: Bool[Tensor, " G"]) -> None:
    if not kept.any():
        layer.get_submodule(list(STRUCTURES[structure])[-1]).weight.data.zero_()
        kept = torch.arange(len(kept), device=kept.device) == 0
    for kind, axis in STRUCTURES[structure].items():
        linear = layer.get_submodule(kind)
        rest = kept.repeat_interleave(linear.weight.shape[axis] // len(kept)).to(linear.weight.device)
        index = (rest,) if axis == 0 else (slice(None), rest)
        linear.weight = nn.Parameter(linear.weight.data[index].clone(), linear.weight.requires_grad)
        if axis == 0 and linear.bias is not None:
            linear.bias = nn.Parameter(linear.bias.data[rest].clone(), linear.bias.requires_grad)
        linear.out_features, linear.in_features = linear.weight.shape


def _tell(model: nn.Module, layers: nn.ModuleList) -> None:
    heads = {count(layer, "heads") for layer in layers}
    units = {count(layer, "units") for layer in layers}
    if len(heads) == len(units) == 1:
        attention = layers[0].self_attn
        model.config.head_dim = attention.head_dim
        model.config.num_key_value_heads = heads.pop()
        model.config.num_attention_heads = attention.q_proj.out_features // attention.head_dim
        model.config.intermediate_size = units.pop()
