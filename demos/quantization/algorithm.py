"""A weight matrix in few bits, by any scheme: the codes, the values back, the error, and the bits it costs.

Letters:
    W, Ŵ        the weights [out, in], and the values that their codes give back; the error is Ŵ − W
    b           bits of a code
    SNR         signal-to-noise ratio, 10 log10(sum w² / sum (ŵ − w)²), in dB
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int16, Integer
from torch import Tensor

from demos.quantization.awq import awq
from demos.quantization.double_quantization import DoubleQuantized
from demos.quantization.gptq import gptq
from demos.quantization.llm_int8 import outlier_columns, round_around
from demos.quantization.rounding import Rounded, check, check_inputs, round_nearest
from demos.quantization.scheme import Scheme


@dataclass(frozen=True)
class QuantTrace:
    """A quantized matrix.

    codes, scales, zero_points, double: as in rounding.Rounded. dequantized: Ŵ, what acts on the input.
    error: Ŵ − W. outliers: the columns kept in float16, by LLM.int8. column_scales: AWQ's, by which the
    columns were stretched before their rounding; Ŵ has them divided out again. searched: AWQ's exponents
    with the loss of each.
    """

    scheme: Scheme
    codes: Integer[Tensor, "out in"]
    scales: Float[Tensor, "..."]
    zero_points: Int16[Tensor, "..."] | None
    dequantized: Float[Tensor, "out in"]
    error: Float[Tensor, "out in"]
    double: DoubleQuantized | None = None
    outliers: Bool[Tensor, " in"] | None = None
    column_scales: Float[Tensor, " in"] | None = None
    searched: tuple[tuple[float, float], ...] | None = None

    @property
    def stored(self) -> dict[str, tuple[int, int]]:
        """What has to be stored: name -> (how many numbers, bits of each).

        Indices of outlier columns are int16, in matrices of more than 2^15 columns int32.
        """
        rows, columns = self.codes.shape
        kept = 0 if self.outliers is None else int(self.outliers.sum())
        parts = {"codes": (rows * (columns - kept), self.scheme.bits)}
        if self.double:
            parts["scales"] = (self.double.codes.numel(), 8)
            parts["scales of scales"] = (self.double.scales.numel(), 32)
            parts["mean of scales"] = (1, 32)
        else:
            parts["scales"] = (self.scales.numel(), self.scheme.scale_bits)
        if self.zero_points is not None:
            parts["zero points"] = (self.zero_points.numel(), self.scheme.bits)
        if self.outliers is not None:
            parts["outlier columns"] = (rows * kept, 16)
            parts["outlier indices"] = (kept, 16 if columns <= 2**15 else 32)
        if self.column_scales is not None:
            parts["column scales"] = (columns, 16)
        return {name: part for name, part in parts.items() if part[0]}

    @property
    def bits_per_weight(self) -> float:
        """All that is stored, over the number of weights."""
        return sum(count * bits for count, bits in self.stored.values()) / self.codes.numel()

    @property
    def nbytes(self) -> int:
        """Bytes of packing.pack_trace: the last byte of each part may have bits to spare."""
        return sum(-(-count * bits // 8) for count, bits in self.stored.values())

    @property
    def weight(self) -> Float[Tensor, "out in"]:
        """W, to the rounding of float32."""
        return self.dequantized - self.error

    @property
    def snr_db(self) -> float:
        """SNR; infinite where nothing was lost."""
        noise = float(torch.linalg.vector_norm(self.error))
        return 20 * math.log10(float(torch.linalg.vector_norm(self.weight)) / noise) if noise else math.inf

    @property
    def rms(self) -> float:
        """Root mean square of all errors."""
        return float(torch.linalg.vector_norm(self.error)) / self.error.numel() ** 0.5

    @property
    def error_per_row(self) -> Float[Tensor, " out"]:
        """Root mean square of the error of each output's weights."""
        return torch.linalg.vector_norm(self.error, dim=1) / self.error.shape[1] ** 0.5

    @property
    def error_per_column(self) -> Float[Tensor, " in"]:
        """Root mean square of the error of the weights that read each input."""
        return torch.linalg.vector_norm(self.error, dim=0) / self.error.shape[0] ** 0.5

    @property
    def error_per_group(self) -> Float[Tensor, " groups"] | None:
        """Root mean square of the error of each group's place in the rows; None where rows are not groups."""
        size = self.scheme.size
        if not size or self.error.shape[1] % size:
            return None
        return self.error.unflatten(1, (-1, size)).square().mean((0, 2)).sqrt()


@torch.no_grad()
def quantize(
    weight: Float[Tensor, "..."], scheme: Scheme, calibration: Float[Tensor, "n width"] | None = None
) -> QuantTrace:
    """The weights [out, in] as the scheme writes them.

    calibration: X [n, in], what the matrix reads on some text; needed by all methods but "nearest".
    Raises ValueError for a weight that is no matrix, empty, or not finite; for groups that do not divide
    its rows; for scales or weights beyond what they are stored in; for a missing calibration, or one of
    another width or not finite.
    """
    check(weight, scheme)
    if scheme.method == "nearest":
        return _trace(weight, scheme, round_nearest(weight, scheme))
    if calibration is None:
        raise ValueError(f"{scheme.name} needs inputs of the matrix, [n, {weight.shape[1]}]; got none.")
    check_inputs(calibration, weight)
    if scheme.method == "outliers":
        outliers = outlier_columns(calibration, weight, scheme.threshold)
        return _trace(weight, scheme, round_around(weight, outliers, scheme), outliers=outliers)
    if scheme.method == "gptq":
        return _trace(weight, scheme, gptq(weight, scheme, calibration))
    found = awq([weight], scheme, calibration)
    return _trace(
        weight, scheme, found.rounded[0], column_scales=found.column_scales, searched=found.searched
    )


def _trace(weight: Tensor, scheme: Scheme, rounded: Rounded, **more) -> QuantTrace:
    return QuantTrace(
        scheme,
        rounded.codes,
        rounded.scales,
        rounded.zero_points,
        rounded.dequantized,
        rounded.dequantized - weight.detach(),
        rounded.double,
        **more,
    )
