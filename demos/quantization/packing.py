"""Codes of 2, 3, 4 or 8 bits written side by side, with nothing between them.

The bits of the codes form one stream, the first code's highest bit first, as bitsandbytes stores its 4 bits:
2 bits: four codes to a byte; 4: two; 3: eight codes to three bytes. Bits left over in the last byte are 0.
"""

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Integer, UInt8
from torch import Tensor

from demos.quantization.algorithm import QuantTrace
from demos.quantization.scheme import FLOATS

WORDS = {2: (4, 1), 3: (8, 3), 4: (2, 1), 8: (1, 1)}  # bits -> codes and bytes of a word, the least whole one


def pack(codes: Integer[Tensor, "..."], bits: int, signed: bool) -> UInt8[Tensor, " bytes"]:
    """The codes in their order, ceil(n bits / 8) bytes. signed: as two's complement of that many bits.

    Raises ValueError for another number of bits than 2, 3, 4, 8, and for codes that do not fit.
    """
    per_word, size = _word(bits)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    if codes.numel() and not (low <= int(codes.min()) and int(codes.max()) <= high):
        raise ValueError(
            f"Codes from {low} to {high} are expected for {bits} bits; "
            f"got {int(codes.min())} to {int(codes.max())}."
        )
    n = codes.numel()
    columns = F.pad(codes.reshape(-1), (0, -n % per_word)).reshape(-1, per_word)
    words = torch.zeros(len(columns), dtype=torch.int32, device=codes.device)
    for column in columns.unbind(1):
        words = (words << bits) | (column.int() & (2**bits - 1))
    parts = [(words >> 8 * place) & 255 for place in reversed(range(size))]
    return torch.stack(parts, 1).to(torch.uint8).flatten()[: -(-n * bits // 8)]


def unpack(packed: UInt8[Tensor, " bytes"], bits: int, signed: bool, n: int) -> Integer[Tensor, " n"]:
    """The n codes again: int8 if signed, else uint8. Raises ValueError unless n codes take these bytes."""
    per_word, size = _word(bits)
    if len(packed) != -(-n * bits // 8):
        raise ValueError(
            f"{-(-n * bits // 8)} bytes are expected for {n} codes of {bits} bits; got {len(packed)}."
        )
    columns = F.pad(packed, (0, -len(packed) % size)).reshape(-1, size)
    words = torch.zeros(len(columns), dtype=torch.int32, device=packed.device)
    for column in columns.unbind(1):
        words = (words << 8) | column.int()
    codes = [(words >> bits * place) & (2**bits - 1) for place in reversed(range(per_word))]
    codes = torch.stack(codes, 1).flatten()[:n]
    if not signed:
        return codes.to(torch.uint8)
    return torch.where(codes < 2 ** (bits - 1), codes, codes - 2**bits).to(torch.int8)


def _word(bits: int) -> tuple[int, int]:
    if bits not in WORDS:
        raise ValueError(f"Codes of 2, 3, 4 or 8 bits are expected; got {bits}.")
    return WORDS[bits]


def pack_trace(trace: QuantTrace) -> dict[str, Tensor]:
    """The tensors as they are stored, named as in trace.stored; their bytes sum to trace.nbytes.

    A power of two is stored as its exponent plus 127 (E8M0), a zero point in the bits of a code.
    """
    scheme, parts = trace.scheme, {}
    kept = trace.outliers
    codes = trace.codes if kept is None else trace.codes[:, ~kept]
    if scheme.format in FLOATS:
        parts["codes"] = codes.view(getattr(torch, scheme.format))
    else:
        parts["codes"] = pack(codes, scheme.bits, scheme.format == "absmax")
    if trace.double:
        parts["scales"] = trace.double.codes
        parts["scales of scales"] = trace.double.scales
        parts["mean of scales"] = trace.double.mean
    elif scheme.scale_bits == 8:
        parts["scales"] = (torch.frexp(trace.scales).exponent - 1 + 127).to(torch.uint8)
    else:
        parts["scales"] = trace.scales.to(torch.float16 if scheme.scale_bits == 16 else torch.float32)
    if trace.zero_points is not None:
        parts["zero points"] = pack(trace.zero_points, scheme.bits, False)
    if kept is not None:
        parts["outlier columns"] = trace.dequantized[:, kept].half()
        indices = torch.int16 if len(kept) <= 2**15 else torch.int32
        parts["outlier indices"] = kept.nonzero().flatten().to(indices)
    if trace.column_scales is not None:
        parts["column scales"] = trace.column_scales.half()
    return {name: part for name, part in parts.items() if part.numel()}
