"""What a pruned matrix needs where it is stored, really packed, and how long its product takes.

dense    every weight
CSR      the weights that are not 0, their columns (int32), and where each row starts (int32)
bitmask  the weights that are not 0, and one bit for each weight, 1 where it is one of them
2:4      two weights of every four, and for each its place among the four in 2 bits (Mishra et al. 2021)
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

import torch
from jaxtyping import Float, UInt8
from torch import Tensor


@dataclass(frozen=True)
class Stored:
    """A matrix [out, in] as it is stored. tensors: by name, all that is needed beside the format's name."""

    format: str
    shape: tuple[int, int]
    dtype: torch.dtype
    tensors: dict[str, Tensor]

    @property
    def nbytes(self) -> int:
        """Bytes of the tensors."""
        return sum(tensor.nbytes for tensor in self.tensors.values())


def dense(weight: Float[Tensor, "out in"], dtype: torch.dtype = torch.float32) -> Stored:
    """Every weight in `dtype`. Raises ValueError for a weight that it cannot hold; so do all formats."""
    values = weight.detach().to(dtype)
    if not values.isfinite().all():
        most = float(weight.abs().max())
        raise ValueError(f"{dtype} holds up to {torch.finfo(dtype).max:g}; the largest weight is {most:g}.")
    return Stored("dense", tuple(weight.shape), dtype, {"values": values.clone()})


def csr(weight: Float[Tensor, "out in"], dtype: torch.dtype = torch.float32) -> Stored:
    """Compressed sparse rows. Raises ValueError as `dense` does."""
    sparse = dense(weight, dtype).tensors["values"].to_sparse_csr()
    rows, columns = sparse.crow_indices().int(), sparse.col_indices().int()
    return Stored(
        "CSR", tuple(weight.shape), dtype, {"values": sparse.values(), "columns": columns, "rows": rows}
    )


def bitmask(weight: Float[Tensor, "out in"], dtype: torch.dtype = torch.float32) -> Stored:
    """One bit for each weight, row by row, eight to a byte, the first in the lowest bit, and the weights
    that are not 0. Raises ValueError as `dense` does.
    """
    values = dense(weight, dtype).tensors["values"]
    there = values != 0
    bits = _pack(there.reshape(-1).to(torch.uint8), 1)
    return Stored("bitmask", tuple(weight.shape), dtype, {"values": values[there], "bits": bits})


def two_of_four(weight: Float[Tensor, "out in"], dtype: torch.dtype = torch.float32) -> Stored:
    """Two weights of every four, in order, and their places 0..3, four to a byte, the first lowest.

    Raises ValueError as `dense` does, for a width that is no multiple of 4, and for four neighbours with
    more than two weights that are not 0.
    """
    values = dense(weight, dtype).tensors["values"]
    rows, columns = values.shape
    if columns % 4:
        raise ValueError(f"2:4 needs rows of a multiple of 4 weights; got {columns}.")
    fours = values.reshape(-1, 4)
    if (many := (fours != 0).sum(1)).max() > 2:
        bad = int((many > 2).nonzero()[0])
        row, group = divmod(bad, columns // 4)
        raise ValueError(
            f"2:4 holds 2 weights of every 4; row {row} has {int(many[bad])} in columns "
            f"{4 * group} to {4 * group + 3}."
        )
    # Weights before zeros, each in their order; a group with fewer than two weights also stores a zero.
    places = (fours == 0).byte().argsort(dim=1, stable=True)[:, :2].sort(dim=1).values
    kept = fours.gather(1, places).reshape(rows, columns // 2)
    tensors = {"values": kept, "places": _pack(places.reshape(-1).byte(), 2)}
    return Stored("2:4", (rows, columns), dtype, tensors)


def restore(stored: Stored) -> Float[Tensor, "out in"]:
    """The matrix, in the type it was stored in."""
    values = stored.tensors["values"]
    if stored.format == "dense":
        return values.clone()
    if stored.format == "CSR":
        return as_sparse(stored).to_dense()
    full = values.new_zeros(stored.shape)
    if stored.format == "bitmask":
        there = _unpack(stored.tensors["bits"], 1, full.numel()).bool()
        full.view(-1)[there] = values
    else:
        places = _unpack(stored.tensors["places"], 2, values.numel()).reshape(-1, 2)
        full.view(-1, 4).scatter_(1, places.long(), values.reshape(-1, 2))
    return full


def as_sparse(stored: Stored) -> Tensor:
    """torch's own sparse matrix around the tensors of a CSR."""
    parts = (stored.tensors[name] for name in ("rows", "columns", "values"))
    return torch.sparse_csr_tensor(*parts, size=stored.shape, check_invariants=True)


def _pack(codes: UInt8[Tensor, " n"], bits: int) -> UInt8[Tensor, " bytes"]:
    """Codes of 1, 2 or 4 bits, the first in the lowest bits of its byte."""
    per_byte = 8 // bits
    padded = torch.nn.functional.pad(codes, (0, -len(codes) % per_byte)).reshape(-1, per_byte)
    shifts = bits * torch.arange(per_byte, dtype=torch.uint8, device=codes.device)
    return (padded << shifts).sum(1, dtype=torch.uint8)


def _unpack(packed: UInt8[Tensor, " bytes"], bits: int, n: int) -> UInt8[Tensor, " n"]:
    shifts = bits * torch.arange(8 // bits, dtype=torch.uint8, device=packed.device)
    return ((packed[:, None] >> shifts) & (2**bits - 1)).reshape(-1)[:n]


def time_products(
    weight: Float[Tensor, "out in"], x: Float[Tensor, "n in"], seconds: float = 0.5
) -> dict[str, float]:
    """Median milliseconds of X Wᵀ with W dense, zeros and all, and with W as CSR, measured here and now.

    n = 1 is the product of one new token. seconds: as `median_ms` takes them.
    """
    sparse = as_sparse(csr(weight, weight.dtype))
    return median_ms({"dense": lambda: x @ weight.T, "CSR": lambda: (sparse @ x.T).T}, seconds)


def median_ms(calls: Mapping[str, Callable[[], object]], seconds: float = 0.5) -> dict[str, float]:
    """Median milliseconds of each call, in turns, so that what else the machine does hits all alike.

    At least three rounds after one that does not count, and as many as fit into `seconds`.
    """
    taken: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + seconds
    rounds = 0
    while rounds < 4 or time.perf_counter() < end:
        for name, call in calls.items():
            _wait()
            start = time.perf_counter()
            call()
            _wait()
            if rounds:
                taken[name].append(1000 * (time.perf_counter() - start))
        rounds += 1
    return {name: median(times) for name, times in taken.items()}


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
