"""Prune a weight matrix: score every weight, cut the lowest, and keep what was seen on the way.

W [out, in]: the weights; X [n, in]: what they read, a row for each position; Y = X Wᵀ
S [out, in]: scores, the lower the sooner cut
  magnitude  |W_ij|                  compared over the whole matrix (Han et al. 2015)
  random     uniform in [0, 1)       over the whole matrix
  wanda      |W_ij| * ||X_j||_2      within a row, what one output reads (Sun et al. 2024)
  sparsegpt  w² / [H⁻¹]_jj           within 128 columns, the rest updated (Frantar and Alistarh 2023)
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from demos.pruning.selection import GROUPS, cut
from demos.pruning.sparsegpt import inverse_factor, saliency, sparsegpt

METHODS = ("magnitude", "random", "wanda", "sparsegpt")
PATTERNS = ("unstructured", *GROUPS, "rows")
READERS = ("wanda", "sparsegpt")  # the methods that need activations


@dataclass(frozen=True)
class PruneTrace:
    """What was cut, and why. Scores and weights are float32, and lie where the weight given did.

    weight: W as it was. mask: True at the weights kept. pruned: W after it, 0 where cut; only SparseGPT
    also changes weights that it keeps. scores: S, for SparseGPT as it stood when the choice was made.
    sparsity: as asked for.
    """

    weight: Float[Tensor, "out in"]
    mask: Bool[Tensor, "out in"]
    pruned: Float[Tensor, "out in"]
    scores: Float[Tensor, "out in"]
    method: str
    pattern: str
    sparsity: float

    @property
    def achieved(self) -> float:
        """The share of weights that were cut."""
        return int((~self.mask).sum()) / self.mask.numel()

    @property
    def error(self) -> Float[Tensor, "out in"]:
        """What was added to each weight."""
        return self.pruned - self.weight

    @property
    def threshold(self) -> Float[Tensor, " sets"] | None:
        """The highest score that was cut: one for the matrix, or for Wanda one for each row.

        None where scores are not compared over such a set, or nothing was cut.
        """
        if self.pattern != "unstructured" or self.method == "sparsegpt" or self.mask.all():
            return None
        cut_scores = self.scores.masked_fill(self.mask, -torch.inf)
        return cut_scores.amax(1) if self.method == "wanda" else cut_scores.max()[None]

    def next_cut(self, percent: float) -> Bool[Tensor, "out in"]:
        """The weights kept that would go if `percent` more of all weights, at most all, had been asked for.

        None under 2:4, 4:8 and heads, which leave no choice. By the scores of this trace: SparseGPT's own
        would differ by the updates of the weights that go as well.
        """
        if self.pattern not in ("unstructured", "rows"):
            return torch.zeros_like(self.mask)
        more = min(self.sparsity + percent / 100, 1.0)
        return cut(self.scores, self.method, more, self.pattern) & self.mask


def prune(
    weight: Float[Tensor, "out in"],
    method: str,
    sparsity: float,
    pattern: str = "unstructured",
    activations: Float[Tensor, "n in2"] | None = None,
    seed: int = 0,
) -> PruneTrace:
    """Cut round(sparsity * size) weights, where size is the matrix, for Wanda each row.

    pattern: "unstructured"; "2:4" or "4:8", where the sparsity is 1/2; "rows": round(sparsity * out) whole
    rows, those whose scores have the lowest Euclidean norm. A row that goes leaves SparseGPT no weights to
    update: with rows its scores are those of W, and no weight is changed.
    activations: X, for wanda and sparsegpt. seed: of random, the same mask on every device.

    Of equal scores the first go first, row by row. Raises ValueError for what `check` refuses, and
    `readable`.
    """
    check(weight, method, sparsity, pattern)
    W = weight.detach().float().clone()
    if method == "sparsegpt" and pattern != "rows":
        mask, pruned, S = sparsegpt(W, readable(activations, W, method), sparsity, pattern)
    else:
        S = weight_scores(W, method, activations, seed)
        mask = ~cut(S, method, sparsity, pattern)
        pruned = torch.where(mask, W, 0)
    return PruneTrace(W, mask, pruned, S, method, pattern, sparsity)


def weight_scores(
    weight: Float[Tensor, "out in"],
    method: str,
    activations: Float[Tensor, "n in2"] | None = None,
    seed: int = 0,
) -> Float[Tensor, "out in"]:
    """S, every weight scored while all others stand: for SparseGPT w² / [H⁻¹]_jj with the whole of H.

    Raises ValueError for activations that `readable` refuses.
    """
    if method == "random":
        return torch.rand(weight.shape, generator=torch.Generator().manual_seed(seed)).to(weight.device)
    if method == "magnitude":
        return weight.abs()
    X = readable(activations, weight, method)
    if method == "wanda":
        return weight.abs() * X.norm(dim=0)
    return saliency(weight, inverse_factor(X).norm(dim=0))  # the norm of U's column j squared is [H⁻¹]_jj


def output_error(
    weight: Float[Tensor, "out in"], pruned: Float[Tensor, "out in"], x: Float[Tensor, "n in"]
) -> float:
    """||X Wᵀ - X Ŵᵀ||² / ||X Wᵀ||²: 0 for unchanged outputs, 1 where all weights are cut."""
    lost = (x @ (weight - pruned).T).square().sum()
    return float(lost / (x @ weight.T).square().sum().clamp(min=torch.finfo(lost.dtype).tiny))


def check(weight: Float[Tensor, "out in"], method: str, sparsity: float, pattern: str) -> None:
    """Raises ValueError where the matrix cannot be pruned like this, with the numbers that do not fit."""
    if method not in METHODS:
        raise ValueError(f"The method must be one of {', '.join(METHODS)}; got {method}.")
    if pattern not in PATTERNS:
        raise ValueError(f"The pattern must be one of {', '.join(PATTERNS)}; got {pattern}.")
    if not 0 <= sparsity <= 1:
        raise ValueError(f"Sparsity must lie between 0 and 1; got {sparsity}.")
    if pattern in GROUPS:
        n, m = GROUPS[pattern]
        if sparsity != 1 - n / m:
            raise ValueError(f"{pattern} keeps {n} of {m}: its sparsity is {1 - n / m}; got {sparsity}.")
        if weight.shape[1] % m:
            raise ValueError(f"{pattern} needs rows of a multiple of {m} weights; got {weight.shape[1]}.")
    if not weight.isfinite().all():
        wrong = int((~weight.isfinite()).sum())
        raise ValueError(f"Weights must be finite; {wrong} of {weight.numel()} are not.")


def readable(
    activations: Float[Tensor, "n in2"] | None, weight: Float[Tensor, "out in"], method: str
) -> Float[Tensor, "n in"]:
    """X in float32. Raises ValueError where it is missing, empty, not finite or of another width than W."""
    width = weight.shape[1]
    if activations is None or not len(activations):
        raise ValueError(f"{method} needs activations of width {width}; got none.")
    if activations.shape[1] != width:
        raise ValueError(f"{method} needs activations of width {width}; got width {activations.shape[1]}.")
    if not activations.isfinite().all():
        raise ValueError(f"Activations must be finite; {int((~activations.isfinite()).sum())} are not.")
    return activations.float()
