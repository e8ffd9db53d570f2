"""SparseGPT: cut weights one column at a time, and let the weights to the right make up for it.

W [out, in]: the weights; X [n, in]: what they read; H: Hessian of ||X Wᵀ - X Ŵᵀ||² in one row of W
U: upper triangular, Uᵀ U = H⁻¹. U_jj² = [H_F⁻¹]_jj, where H_F is H without the columns before j
s = w² / U_jj²: what the cut of w adds to the squared error, if the weights to its right adapt
e = w / U_jj: the error of a cut, which reaches column k to the right as e U_jk
Frantar and Alistarh 2023, algorithm 1. Two differences from their code: columns that X never reaches
are not set to 0 first, so that sparsity 0 changes nothing, and every block is cut by an exact count.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from demos.pruning.selection import GROUPS, blocks, lowest_in_groups, lowest_of

DAMPING = 0.01  # of the mean of H's diagonal, added to it


def inverse_factor(x: Float[Tensor, "n in"]) -> Float[Tensor, "in in"]:
    """U. In float64 from H on, since H's condition number reaches 100 times its size."""
    H = (2 / len(x) * (x.T @ x)).double()
    H.diagonal().add_(DAMPING * float(H.diagonal().mean()) or 1.0)  # 1: all of X is 0
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(H))
    return torch.linalg.cholesky(inverse, upper=True).to(x.dtype)


def saliency(weight: Float[Tensor, "out k"], diagonal: Float[Tensor, " k"]) -> Float[Tensor, "out k"]:
    """s of each weight; diagonal: of U, for the same columns."""
    return (weight / diagonal).square()


def sparsegpt(
    weight: Float[Tensor, "out in"], x: Float[Tensor, "n in"], sparsity: float, pattern: str
) -> tuple[Bool[Tensor, "out in"], Float[Tensor, "out in"], Float[Tensor, "out in"]]:
    """(mask, True at the weights kept; the weights after it, 0 where cut; s when the choice was made).

    pattern: "unstructured", where the choice is made once for 128 columns, or "2:4" and "4:8", where it is
    made for m columns when they are reached.
    """
    W, U = weight.clone(), inverse_factor(x)
    mask, scores = torch.ones_like(W, dtype=torch.bool), torch.zeros_like(W)
    n, m = GROUPS.get(pattern, (0, 0))
    for start, end, count in blocks(*W.shape, sparsity):
        if not m:
            scores[:, start:end] = saliency(W[:, start:end], U.diagonal()[start:end])
            mask[:, start:end] = ~lowest_of(scores[:, start:end], count)
        errors = torch.zeros_like(W[:, start:end])
        for j in range(start, end):
            if m and j % m == 0:
                group = slice(j, j + m)
                scores[:, group] = saliency(W[:, group], U.diagonal()[group])
                mask[:, group] = ~lowest_in_groups(scores[:, group], n, m)
            e = torch.where(mask[:, j], 0, W[:, j] / U[j, j])
            W[:, j:end] -= torch.outer(e, U[j, j:end])
            errors[:, j - start] = e
        W[:, end:] -= errors @ U[start:end, end:]
    return mask, torch.where(mask, W, 0), scores
