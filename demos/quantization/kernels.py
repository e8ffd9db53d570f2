"""Matrices that stay in few bits and are multiplied as they are, by torch's own kernels for the CPU.

Both kernels take inputs in bfloat16 and read weights as codes: `_weight_int8pack_mm` with a scale for each
output, `_weight_int4pack_mm_for_cpu` with a scale for each group of `GROUP` weights, two codes to a byte.
"""

import copy

import torch
from jaxtyping import Float
from torch import Tensor, nn

from demos.kit.blocks import Matrix, matrices, weight_of
from demos.quantization.algorithm import quantize
from demos.quantization.scheme import INT4_G32, INT8_ABSMAX

GROUP = INT4_G32.size


class Int8Linear(nn.Module):
    """Y = X Wᵀ + bias, W as int8 codes and a scale for each output."""

    def __init__(self, weight: Float[Tensor, "out in"], bias: Tensor | None):
        super().__init__()
        trace = quantize(weight, INT8_ABSMAX)
        self.register_buffer("codes", trace.codes.contiguous())
        self.register_buffer("scales", trace.scales[:, 0].bfloat16())
        self.register_buffer("bias", bias)

    def forward(self, x: Float[Tensor, "*n in"]) -> Float[Tensor, "*n out"]:
        flat = x.reshape(-1, x.shape[-1]).bfloat16()
        y = torch._weight_int8pack_mm(flat, self.codes, self.scales).to(x.dtype)
        y = y if self.bias is None else y + self.bias
        return y.reshape(*x.shape[:-1], -1)


class Int4Linear(nn.Module):
    """The same with int4 codes, two to a byte, and a scale for each group of GROUP inputs."""

    def __init__(self, weight: Float[Tensor, "out in"], bias: Tensor | None):
        super().__init__()
        trace = quantize(weight, INT4_G32)
        # The kernel reads 0..15, of which 8 stands for 0, and adds a zero that is 0 here.
        self.register_buffer(
            "codes", torch._convert_weight_to_int4pack_for_cpu(trace.codes.to(torch.int32) + 8, 1)
        )
        scales = trace.scales.T.bfloat16()
        self.register_buffer("scales", torch.stack([scales, torch.zeros_like(scales)], dim=-1).contiguous())
        self.register_buffer("bias", bias)

    def forward(self, x: Float[Tensor, "*n in"]) -> Float[Tensor, "*n out"]:
        flat = x.reshape(-1, x.shape[-1]).bfloat16()
        y = torch._weight_int4pack_mm_for_cpu(flat, self.codes, GROUP, self.scales).to(x.dtype)
        y = y if self.bias is None else y + self.bias
        return y.reshape(*x.shape[:-1], -1)


def with_kernels(model: nn.Module, bits: int) -> tuple[nn.Module, list[Matrix]]:
    """A copy in bfloat16 whose matrices are read by the kernel of 8 or 4 bits, and those that it cannot take.

    A matrix whose inputs are no whole number of groups stays bfloat16. Raises ValueError for other bits.
    """
    if bits not in (8, 4):
        raise ValueError(f"There are kernels for 8 and 4 bits; got {bits}.")
    made, left = copy.deepcopy(model).bfloat16(), []
    for matrix in matrices(model):
        if bits == 4 and matrix.columns % GROUP:
            left.append(matrix)
            continue
        module = model.get_submodule(matrix.name)
        weight, bias = weight_of(module).float(), module.bias
        kernel = Int8Linear if bits == 8 else Int4Linear
        parent, _, name = matrix.name.rpartition(".")
        setattr(made.get_submodule(parent), name, kernel(weight, None if bias is None else bias.bfloat16()))
    return made, left


def nbytes(model: nn.Module) -> int:
    """Bytes of all tensors of the model, shared ones once."""
    tensors = {t.data_ptr(): t.nbytes for t in (*model.parameters(), *model.buffers())}
    return sum(tensors.values())
