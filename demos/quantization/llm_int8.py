"""LLM.int8: columns that meet outliers stay in floating point, the rest is multiplied in 8 bits.

Letters, as in Dettmers et al. 2022:
    X [n, in], W [out, in]    the inputs and the weights; Y = X Wᵀ
    O                         the columns where some |x| reaches the threshold
    c_x [n], c_w [out]        the largest magnitude in each row of X and of W, without O (vector-wise)
The scales here are c_x / 127 and c_w / 127. Unlike bitsandbytes, whose c_w counts the columns in O too.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int8, Int32
from torch import Tensor

from demos.quantization.rounding import Rounded, check, check_inputs, encode, fit, round_nearest
from demos.quantization.scheme import LLM_INT8, Scheme

THRESHOLD = 6.0  # the paper's
WIDEST = 2**31 // 127**2  # columns whose products sum to an int32 for certain


@dataclass(frozen=True)
class LLMInt8Trace:
    """One product. outliers: O. codes: 0 in the columns of O. scales: float32, 1 for a row of zeros.

    integers: the product of the codes. from_floats: what O adds. output: integers times both scales, plus
    from_floats.
    """

    outliers: Bool[Tensor, " in"]
    x_codes: Int8[Tensor, "n in"]
    x_scales: Float[Tensor, "n 1"]
    weight_codes: Int8[Tensor, "out in"]
    weight_scales: Float[Tensor, "out 1"]
    integers: Int32[Tensor, "n out"]
    from_floats: Float[Tensor, "n out"]
    output: Float[Tensor, "n out"]


@torch.no_grad()
def llm_int8(
    x: Float[Tensor, "n width"], weight: Float[Tensor, "out in"], threshold: float = THRESHOLD
) -> LLMInt8Trace:
    """X Wᵀ as LLM.int8 computes it. In O the weights are used as they come: they are not rounded here.

    threshold: 0 or above; at 0 all columns are in O, and the output is the product in floating point.
    Raises ValueError for what `outlier_columns` refuses, and for rows so long that int32 may overflow.
    """
    scheme = replace(LLM_INT8, scale_bits=32)
    check(weight, scheme)
    if weight.shape[1] > WIDEST:
        raise ValueError(f"int32 holds sums of up to {WIDEST} products; got {weight.shape[1]} columns.")
    outliers = outlier_columns(x, weight, threshold)
    x, weight = x.float(), weight.float()
    x_rest, weight_rest = x.masked_fill(outliers, 0), weight.masked_fill(outliers, 0)
    x_scales, weight_scales = fit(x_rest, scheme)[0], fit(weight_rest, scheme)[0]
    x_codes = encode(x_rest, x_scales, None, scheme)
    weight_codes = encode(weight_rest, weight_scales, None, scheme)
    # float64 holds these sums exactly, and has a fast product on every device, which integers have not.
    integers = (x_codes.double() @ weight_codes.double().T).to(torch.int32)
    from_floats = x[:, outliers] @ weight[:, outliers].T
    output = integers * (x_scales * weight_scales.T) + from_floats
    return LLMInt8Trace(
        outliers, x_codes, x_scales, weight_codes, weight_scales, integers, from_floats, output
    )


def outlier_columns(
    x: Float[Tensor, "n width"], weight: Float[Tensor, "out in"], threshold: float = THRESHOLD
) -> Bool[Tensor, " in"]:
    """O. Raises ValueError for what `check_inputs` refuses, and for a threshold below 0."""
    check_inputs(x, weight)
    if not threshold >= 0:
        raise ValueError(f"A threshold of 0 or above is expected; got {threshold}.")
    return (x.abs() >= threshold).any(0)


@torch.no_grad()
def round_around(weight: Float[Tensor, "out in"], outliers: Bool[Tensor, " in"], scheme: Scheme) -> Rounded:
    """The weights outside O to the nearest level, those in O to float16; the codes in O stand for 0.

    Raises ValueError for what `check` refuses, and for weights in O beyond float16.
    """
    check(weight, scheme)
    rounded = round_nearest(weight.masked_fill(outliers, 0), scheme)
    kept = weight[:, outliers].half().float()
    if not kept.isfinite().all():
        most = float(weight[:, outliers].abs().max())
        raise ValueError(f"float16 ends at {torch.finfo(torch.float16).max:g}; a weight is {most:.5g}.")
    rounded.dequantized[:, outliers] = kept
    return rounded
