"""GPTQ: what rounding one column does to the outputs is made good by the columns that follow.

Letters, as in Frantar et al. 2023:
    W [out, in]   the weights; Y = X Wᵀ what the matrix gives
    X [n, in]     what the matrix reads on the calibration text, one row for each position (the paper's X
                  has one column for each)
    H [in, in]    the Hessian of |X Wᵀ - X W'ᵀ|² for one row of W', over n, with damping
    U [in, in]    upper, H⁻¹ = Uᵀ U: row j of U is row j of the inverse of what is left of H once columns
                  0..j-1 are fixed, over the root of its first entry
    e             the error of a column over U_jj
"""

import torch
from jaxtyping import Float
from torch import Tensor

from demos.quantization.rounding import Rounded, check, check_inputs, decode, encode, fit
from demos.quantization.scheme import INTEGERS, Scheme

DAMPING = 0.01  # of the mean of H's diagonal, as in the paper


def hessian(x: Float[Tensor, "n in"]) -> Float[Tensor, "in in"]:
    """H = 2/n Xᵀ X + 0.01 mean(diag) I, in float64 where the device has it.

    A column that is 0 in all of X says nothing: its H_jj is 1 before the damping, as in the paper's code.
    As H_ij = 0 for all other i, its weights are rounded to nearest and nothing is fed forward from or into
    them; the paper's code makes them 0, which changes what inputs give that the calibration did not show.
    Raises ValueError for columns whose sum of squares is not finite.
    """
    precision = torch.float32 if x.device.type == "mps" else torch.float64  # MPS has no float64
    H = (x.T @ x).to(precision).mul_(2 / len(x))
    diagonal = H.diagonal()
    if lost := int((~diagonal.isfinite()).sum()):
        raise ValueError(f"Inputs with finite squares are expected; {lost} of {len(H)} columns have others.")
    damping = DAMPING * diagonal.mean()
    diagonal[diagonal == 0] = 1
    diagonal += damping
    return H


@torch.no_grad()
def gptq(
    weight: Float[Tensor, "out in"], scheme: Scheme, x: Float[Tensor, "n width"], block: int = 128
) -> Rounded:
    """The codes that GPTQ chooses, column by column in the order in which they stand.

    x: what the matrix reads, `width` = `in`. block: how many columns are rounded before
    their errors reach the columns behind the block, which saves memory traffic and changes nothing. The
    scale of a group is taken from its weights as they are when the group is reached; of a channel or the
    tensor, from the weights before.

    Raises ValueError for what `check`, `check_inputs`, `fit` and `hessian` refuse, and for a scheme that is
    not of integers per tensor, channel or group.
    """
    check(weight, scheme)
    check_inputs(x, weight)
    columns = weight.shape[1]
    if scheme.format not in INTEGERS or scheme.per == "block":
        raise ValueError(
            f"GPTQ chooses integers per tensor, channel or group; got {scheme.format} per {scheme.per}."
        )
    weight = weight.float()
    if scheme.per == "group":
        block = max(scheme.size, block - block % scheme.size)  # a group then has had all errors before it
        fits = []
    else:
        fits = [fit(weight.reshape(1, -1) if scheme.per == "tensor" else weight, scheme)]
    U = inverse_root(hessian(x.float()))
    W = weight.to(U.dtype, copy=True)
    codes, dequantized = [], torch.empty_like(weight)
    for start in range(0, columns, block):
        stop = min(start + block, columns)
        errors = torch.empty_like(W[:, start:stop])
        for j in range(start, stop):
            if scheme.per == "group" and j % scheme.size == 0:
                fits.append(fit(W[:, j : j + scheme.size].float(), scheme))
            w = W[:, j : j + 1]
            codes.append(encode(w.float(), *fits[-1], scheme))
            dequantized[:, j : j + 1] = decode(codes[-1], *fits[-1], scheme)
            e = (w - dequantized[:, j : j + 1]) / U[j, j]
            W[:, j + 1 : stop] -= e * U[j, j + 1 : stop]
            errors[:, j - start : j - start + 1] = e
        W[:, stop:].addmm_(errors, U[start:stop, stop:], alpha=-1)
    scales, zero_points = zip(*fits, strict=True)
    zero_points = None if zero_points[0] is None else torch.cat(zero_points, 1)
    return Rounded(torch.cat(codes, 1), torch.cat(scales, 1), zero_points, dequantized)


def inverse_root(H: Float[Tensor, "in in"]) -> Float[Tensor, "in in"]:
    """U, the upper Cholesky factor of the inverse of H."""
    H = torch.linalg.cholesky(H)  # one name for the three, so that no more than two are held
    H = torch.cholesky_inverse(H)
    return torch.linalg.cholesky(H, upper=True)
