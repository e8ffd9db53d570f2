"""A whole model pruned, layer by layer, each shown what it reads after the layers before it were cut."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from demos.kit.blocks import Matrix, matrices, stack, walk, weight_of
from demos.pruning.algorithm import READERS, PruneTrace, check, prune, weight_scores
from demos.pruning.structure import STRUCTURES, count, prune_groups


def prune_model(
    model: nn.Module,
    method: str,
    sparsity: float | Mapping[int, float],
    pattern: str = "unstructured",
    batches: Sequence[dict[str, Tensor]] = (),
    seed: int = 0,
) -> Iterator[tuple[Matrix, PruneTrace]]:
    """CHANGES the model handed in: each matrix, with its trace, once it was pruned.

    sparsity: of all layers, or layer -> sparsity; layers not named are left as they are.
    pattern: as `prune` takes it, or "heads" or "units", where a layer loses round(sparsity * groups) of
    them, and matrices without such groups are left as they are.
    batches: the model's inputs by name, which wanda and sparsegpt read. seed: of random, for the model.
    Raises ValueError before the first change, for what `check` refuses in any matrix, layers that the
    model does not have, and missing batches; and for activations that are not finite when they are met.
    """
    _, layers = stack(model)
    asked = dict(sparsity) if isinstance(sparsity, Mapping) else dict.fromkeys(range(len(layers)), sparsity)
    if wrong := [n for n in asked if not 0 <= n < len(layers)]:
        raise ValueError(f"Layers are numbered from 0 to {len(layers) - 1}; got {wrong[0]}.")
    if method in READERS and not batches:
        raise ValueError(f"{method} reads activations, so batches of inputs are needed; got none.")
    kinds = STRUCTURES.get(pattern)
    chosen = [m for m in matrices(model) if m.layer in asked and (kinds is None or m.kind in kinds)]
    seeds = torch.randint(2**31, (len(chosen),), generator=torch.Generator().manual_seed(seed)).tolist()
    seed_of = {m.name: s for m, s in zip(chosen, seeds, strict=True)}
    if kinds:
        for n in asked:
            count(layers[n], pattern)
    for m in chosen:
        check(_weight(model, m), method, asked[m.layer], "rows" if kinds else pattern)

    steps = walk(model, batches) if method in READERS else ((n, {}) for n in range(len(layers)))
    for n, read in steps:
        here = [m for m in chosen if m.layer == n]
        if kinds and here:
            weights = {m.kind: _weight(model, m).float().clone() for m in here}
            scores = {
                m.kind: weight_scores(weights[m.kind], method, read.get(m.name), seed_of[m.name])
                for m in here
            }
            masks = prune_groups(layers[n], pattern, scores, asked[n]).masks
        for m in here:
            if kinds:
                W, mask = weights[m.kind], masks[m.kind]
                pruned = torch.where(mask, W, 0)
                trace = PruneTrace(W, mask, pruned, scores[m.kind], method, pattern, asked[n])
            else:
                W = _weight(model, m)
                trace = prune(W, method, asked[n], pattern, read.get(m.name), seed_of[m.name])
            _weight(model, m).copy_(trace.pruned)
            yield m, trace
        if n == max(asked, default=n):
            return


def _weight(model: nn.Module, matrix: Matrix) -> Float[Tensor, "out in"]:
    return weight_of(model.get_submodule(matrix.name))
