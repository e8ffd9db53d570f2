"""How weights are written with few bits: a scheme says all of it, before any weight is seen.

Sources: absmax and zero-point, Dettmers et al. 2022 (LLM.int8); E2M1 and MXFP4, OCP Microscaling Formats
1.0 (2023); NF4 and double quantization, Dettmers et al. 2023 (QLoRA); GPTQ, Frantar et al. 2023; AWQ, Lin
et al. 2024.
"""

from dataclasses import dataclass, replace
from typing import Literal

Format = Literal["float16", "bfloat16", "absmax", "zero-point", "fp4", "bnb-fp4", "nf4", "mxfp4"]
Per = Literal["tensor", "channel", "group", "block"]
Method = Literal["nearest", "outliers", "gptq", "awq"]

FLOATS = ("float16", "bfloat16")
INTEGERS = ("absmax", "zero-point")
TABLES = ("fp4", "bnb-fp4", "nf4", "mxfp4")  # the levels stand in a table; a scale stretches it


@dataclass(frozen=True)
class Scheme:
    """One way to write a weight matrix [out, in] with few bits.

    format: what a code means. bits: of a code.
    per: which weights share a scale: the whole "tensor"; a "channel", one row (what one output reads); a
    "group", `size` neighbours in a row; a "block", `size` neighbours in the matrix written row by row, as
    bitsandbytes has it, the last one possibly shorter.
    size: of a group or block, else 0.
    method: how codes are chosen: the "nearest" level; "outliers", LLM.int8: nearest, but columns whose
    input reaches the threshold stay float16; "gptq", "awq".
    scale_bits: what a scale is stored in: 16 float16, 32 float32, 8 a power of two (E8M0).
    double: the scales are themselves quantized (QLoRA).
    threshold: of outliers, the |input| from which a column stays float16.
    Raises ValueError for what does not go together.
    """

    name: str
    format: Format
    bits: int
    per: Per = "channel"
    size: int = 0
    method: Method = "nearest"
    scale_bits: Literal[8, 16, 32] = 16
    double: bool = False
    threshold: float = 6.0

    def __post_init__(self) -> None:
        allowed = {"float16": (16,), "bfloat16": (16,), "absmax": (2, 3, 4, 8), "zero-point": (2, 3, 4, 8)}
        for holds, words in (
            (
                self.bits in allowed.get(self.format, (4,)),
                f"{self.format} has {allowed.get(self.format, (4,))} bits; got {self.bits}",
            ),
            (
                (self.size > 0) == (self.per in ("group", "block")),
                f"a group or block has a size, others have none; got {self.per} of {self.size}",
            ),
            (
                self.method == "nearest" or self.format in INTEGERS,
                f"{self.method} chooses among integers; got {self.format}",
            ),
            (
                (self.scale_bits == 8) == (self.format == "mxfp4"),
                f"scales of mxfp4, and no others, have 8 bits; got {self.format} with {self.scale_bits}",
            ),
            (
                not self.double or self.per == "block",
                f"the scales of blocks are quantized once more; got {self.per}",
            ),
        ):
            if not holds:
                raise ValueError(f"{words}.")


FLOAT16 = Scheme("float16", "float16", 16, "tensor")
BFLOAT16 = Scheme("bfloat16", "bfloat16", 16, "tensor")
INT8_TENSOR = Scheme("int8 absmax, one scale", "absmax", 8, "tensor")
INT8_ABSMAX = Scheme("int8 absmax", "absmax", 8)
INT8_ZERO_POINT = Scheme("int8 zero-point", "zero-point", 8)
LLM_INT8 = Scheme("LLM.int8", "absmax", 8, method="outliers")
INT4_TENSOR = Scheme("int4 absmax, one scale", "absmax", 4, "tensor")
INT4_ABSMAX = Scheme("int4 absmax", "absmax", 4)
INT4_ZERO_POINT = Scheme("int4 zero-point", "zero-point", 4)
INT4_G128 = Scheme("int4, groups of 128", "absmax", 4, "group", 128)
INT4_G64 = Scheme("int4, groups of 64", "absmax", 4, "group", 64)
INT4_G32 = Scheme("int4, groups of 32", "absmax", 4, "group", 32)
INT3_ABSMAX = Scheme("int3 absmax", "absmax", 3)
INT3_ZERO_POINT = Scheme("int3 zero-point", "zero-point", 3)
INT3_G128 = Scheme("int3, groups of 128", "absmax", 3, "group", 128)
INT3_G64 = Scheme("int3, groups of 64", "absmax", 3, "group", 64)
INT3_G32 = Scheme("int3, groups of 32", "absmax", 3, "group", 32)
INT2_ABSMAX = Scheme("int2 absmax", "absmax", 2)
INT2_ZERO_POINT = Scheme("int2 zero-point", "zero-point", 2)
INT2_G32 = Scheme("int2, groups of 32", "absmax", 2, "group", 32)
FP4 = Scheme("FP4 (E2M1)", "fp4", 4, "block", 64, scale_bits=32)
BNB_FP4 = Scheme("FP4 of bitsandbytes", "bnb-fp4", 4, "block", 64, scale_bits=32)
NF4 = Scheme("NF4", "nf4", 4, "block", 64, scale_bits=32)
NF4_DOUBLE = replace(NF4, name="NF4, double quantization", double=True)
MXFP4 = Scheme("MXFP4", "mxfp4", 4, "block", 32, scale_bits=8)
GPTQ4 = Scheme("GPTQ, int4", "absmax", 4, method="gptq")
GPTQ4_G128 = Scheme("GPTQ, int4, groups of 128", "absmax", 4, "group", 128, "gptq")
GPTQ3 = Scheme("GPTQ, int3", "absmax", 3, method="gptq")
GPTQ3_G128 = Scheme("GPTQ, int3, groups of 128", "absmax", 3, "group", 128, "gptq")
AWQ4 = Scheme("AWQ, int4", "absmax", 4, method="awq")
AWQ4_G128 = Scheme("AWQ, int4, groups of 128", "absmax", 4, "group", 128, "awq")
AWQ3 = Scheme("AWQ, int3", "absmax", 3, method="awq")

# name -> scheme, from many bits to few
SCHEMES: dict[str, Scheme] = {
    scheme.name: scheme
    for scheme in (
        *(FLOAT16, BFLOAT16, INT8_TENSOR, INT8_ABSMAX, INT8_ZERO_POINT, LLM_INT8),
        *(FP4, BNB_FP4, NF4, NF4_DOUBLE, MXFP4),
        *(INT4_TENSOR, INT4_ABSMAX, INT4_ZERO_POINT, INT4_G128, INT4_G64, INT4_G32),
        *(GPTQ4, GPTQ4_G128, AWQ4, AWQ4_G128),
        *(INT3_ABSMAX, INT3_ZERO_POINT, INT3_G128, INT3_G64, INT3_G32, GPTQ3, GPTQ3_G128, AWQ3),
        *(INT2_ABSMAX, INT2_ZERO_POINT, INT2_G32),
    )
}
