"""Which weights go, once every weight has a score: the lowest of those that are compared with each other.

n:m: of every m neighbours in a row, n stay (Mishra et al. 2021). Block: columns that SparseGPT compares
at a time (Frantar and Alistarh 2023).
"""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float
from torch import Tensor

GROUPS = {"2:4": (2, 4), "4:8": (4, 8)}  # pattern -> (n, m)
BLOCK = 128


def lowest(scores: Float[Tensor, "sets size"], count: int) -> Bool[Tensor, "sets size"]:
    """True at the `count` lowest scores of each set; of equal scores the first come first."""
    if count == 0:
        return torch.zeros_like(scores, dtype=torch.bool)
    edge = scores.kthvalue(count, dim=1, keepdim=True).values
    below, tied = scores < edge, scores == edge
    return below | (tied & (tied.cumsum(1) <= count - below.sum(1, keepdim=True)))


def lowest_of(scores: Float[Tensor, "out in"], count: int) -> Bool[Tensor, "out in"]:
    """True at the `count` lowest scores of the whole matrix, read row by row."""
    return lowest(scores.reshape(1, -1), count).reshape(scores.shape)


def lowest_in_groups(scores: Float[Tensor, "out in"], n: int, m: int) -> Bool[Tensor, "out in"]:
    """True at the m - n lowest scores of every m neighbours in a row. `in` is a multiple of m."""
    return lowest(scores.reshape(-1, m), m - n).reshape(scores.shape)


def blocks(rows: int, columns: int, sparsity: float) -> Iterator[tuple[int, int, int]]:
    """(first column, column after the last, weights to cut) of each block of columns.

    Rounded on the running total, so that the whole matrix loses round(sparsity * rows * columns).
    """
    done = 0
    for start in range(0, columns, BLOCK):
        end = min(start + BLOCK, columns)
        total = round(sparsity * (rows * end))
        yield start, end, total - done
        done = total


def cut(
    scores: Float[Tensor, "out in"], method: str, sparsity: float, pattern: str
) -> Bool[Tensor, "out in"]:
    """True at the weights that go. Who is compared with whom is the method's choice, or the pattern's.

    unstructured: the whole matrix, but one row for Wanda and a block of columns for SparseGPT.
    rows: the rows by the Euclidean norm of their scores. 2:4, 4:8: m neighbours, whatever the sparsity.
    """
    rows, columns = scores.shape
    if pattern in GROUPS:
        return lowest_in_groups(scores, *GROUPS[pattern])
    if pattern == "rows":
        gone = lowest(scores.norm(dim=1)[None], round(sparsity * rows))[0]
        return gone[:, None].repeat(1, columns)
    if method == "wanda":
        return lowest(scores, round(sparsity * columns))
    if method == "sparsegpt":
        parts = [lowest_of(scores[:, a:b], count) for a, b, count in blocks(rows, columns, sparsity)]
        return torch.cat(parts, dim=1)
    return lowest_of(scores, round(sparsity * scores.numel()))
