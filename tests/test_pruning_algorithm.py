"""Pruning of one matrix against torch's own pruning, loops, a float64 reference and examples by hand."""

import math
from dataclasses import FrozenInstanceError

import pytest
import torch
from torch import nn
from torch.nn.utils.prune import l1_unstructured, ln_structured

from demos.pruning.algorithm import METHODS, PruneTrace, output_error, prune, weight_scores

SPARSITIES = (0.0, 0.1, 0.25, 0.5, 0.77, 0.999, 1.0)


def matrix(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def correlated(n: int, width: int, seed: int = 1) -> torch.Tensor:
    """Activations as layers have them: correlated, and of very different size."""
    g = torch.Generator().manual_seed(seed)
    mix = torch.randn(width, width, generator=g) / math.sqrt(width) + torch.eye(width)
    return (
        torch.randn(n, width, generator=g)
        @ mix
        * torch.logspace(-1, 1, width)[torch.randperm(width, generator=g)]
    )


def tensor(*rows) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float32)


# --- how many are cut


@pytest.mark.parametrize("sparsity", SPARSITIES)
@pytest.mark.parametrize("method", METHODS)
def test_exactly_the_sparsity_asked_for(method, sparsity):
    W, X = matrix(13, 157), correlated(300, 157)
    trace = prune(W, method, sparsity, activations=X)
    cut = ~trace.mask
    if method == "wanda":
        assert (cut.sum(1) == round(sparsity * 157)).all()
    else:
        assert int(cut.sum()) == round(sparsity * 13 * 157)
    assert torch.equal(trace.pruned == 0, cut)
    assert trace.achieved == int((trace.pruned == 0).sum()) / W.numel()
    assert (trace.method, trace.pattern, trace.sparsity) == (method, "unstructured", sparsity)
    assert torch.equal(trace.weight, W)
    torch.testing.assert_close(W + trace.error, trace.pruned)
    if method != "sparsegpt" or sparsity == 0:
        assert torch.equal(trace.pruned, torch.where(cut, 0, W))


@pytest.mark.parametrize("sparsity", SPARSITIES)
@pytest.mark.parametrize("method", METHODS)
def test_whole_rows_are_cut(method, sparsity):
    W, X = matrix(13, 24), correlated(60, 24)
    trace = prune(W, method, sparsity, "rows", X)
    gone = ~trace.mask.any(1)
    assert int(gone.sum()) == round(sparsity * 13) and torch.equal(trace.mask.all(1), ~gone)
    assert torch.equal(trace.pruned, torch.where(gone[:, None], 0, W))
    norms = trace.scores.square().sum(1)
    assert gone.all() or not gone.any() or norms[gone].max() <= norms[~gone].min()


@pytest.mark.parametrize(("pattern", "n", "m"), [("2:4", 2, 4), ("4:8", 4, 8)])
@pytest.mark.parametrize("method", METHODS)
def test_every_group_keeps_n_of_m(method, pattern, n, m):
    W, X = matrix(9, 136), correlated(200, 136)
    trace = prune(W, method, 0.5, pattern, X)
    groups = trace.mask.unflatten(1, (-1, m))
    assert (groups.sum(-1) == n).all()
    assert torch.equal(trace.pruned != 0, trace.mask) and trace.achieved == 0.5
    scores = trace.scores.unflatten(1, (-1, m))
    kept = scores.masked_fill(~groups, torch.inf).amin(-1)
    assert (kept >= scores.masked_fill(groups, -torch.inf).amax(-1)).all()


@pytest.mark.parametrize("pattern", ["2:4", "4:8"])
def test_a_pattern_is_not_cut_from_a_whole_row(pattern):
    # The second half of the row is larger than the first: without groups only the first would go.
    W = torch.arange(1.0, 17.0)[None]
    m = int(pattern[-1])
    want = (torch.arange(16) % m >= m // 2)[None]
    assert torch.equal(prune(W, "magnitude", 0.5, pattern).mask, want)


# --- each method against what we did not write


@pytest.mark.parametrize("sparsity", SPARSITIES)
def test_magnitude_equals_torch(sparsity):
    W = matrix(31, 17)
    linear = nn.Linear(17, 31)
    linear.weight.data = W.clone()
    l1_unstructured(linear, "weight", amount=sparsity)
    trace = prune(W, "magnitude", sparsity)
    assert torch.equal(trace.mask, linear.weight_mask.bool()) and torch.equal(trace.pruned, linear.weight)
    assert torch.equal(trace.scores, W.abs())


@pytest.mark.parametrize("sparsity", [0.1, 0.5, 0.9])
def test_magnitude_rows_equal_torchs_structured_pruning(sparsity):
    W = matrix(20, 17)
    linear = nn.Linear(17, 20)
    linear.weight.data = W.clone()
    ln_structured(linear, "weight", amount=sparsity, n=2, dim=0)
    assert torch.equal(prune(W, "magnitude", sparsity, "rows").mask, linear.weight_mask.bool())


def test_random_is_uniform_and_its_seed_decides():
    W, n = matrix(200, 300), 60_000
    a, b, c = (prune(W, "random", 0.5, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(a.mask, b.mask) and not torch.equal(a.mask, c.mask)
    # Each row's number of cuts has variance 300/4 (a little less without replacement): 5 deviations.
    assert (a.mask.sum(1) - 150).abs().max() <= 5 * math.sqrt(300 / 4)
    assert abs(int((a.mask & c.mask).sum()) - n / 4) <= 5 * math.sqrt(n / 16)  # two seeds, independent
    assert a.scores.min() >= 0 and a.scores.max() < 1 and abs(a.scores.mean() - 0.5) < 5 / math.sqrt(12 * n)
    size = torch.corrcoef(torch.stack([a.mask.float().flatten(), W.abs().flatten()]))[0, 1]
    assert abs(size) < 5 / math.sqrt(n)


@pytest.mark.parametrize("sparsity", [0.3, 0.5, 0.8])
def test_wanda_equals_a_triple_loop(sparsity):
    W, X = matrix(5, 11), correlated(17, 11)
    want = torch.ones(5, 11, dtype=torch.bool)
    for i in range(5):
        scores = []
        for j in range(11):
            squared = 0.0
            for t in range(17):
                squared += float(X[t, j]) ** 2
            scores.append((abs(float(W[i, j])) * math.sqrt(squared), j))
        for _, j in sorted(scores)[: round(sparsity * 11)]:
            want[i, j] = False
        got = prune(W, "wanda", sparsity, activations=X)
        torch.testing.assert_close(
            got.scores[i].double(), torch.tensor([s for s, _ in scores]).double(), rtol=1e-5, atol=0
        )
    assert torch.equal(got.mask, want)


def test_wanda_by_hand():
    # ||X_j|| = 5, 1, 2: the small weight 0.5 is worth more than 2, since its input is larger.
    W, X = tensor([0.5, -2, 1], [1, 6, -2.75]), tensor([3, 0, 2], [-4, 1, 0])
    trace = prune(W, "wanda", 1 / 3, activations=X)
    torch.testing.assert_close(trace.scores, tensor([2.5, 2, 2], [5, 6, 5.5]))
    assert trace.mask.tolist() == [[True, False, True], [False, True, True]]
    assert torch.equal(trace.threshold, torch.tensor([2.0, 5.0]))


# --- SparseGPT


def reference(W, X, sparsity, n_m=None, block=128):
    """Column by column in float64, with an explicit inverse of what is left of H at every column."""
    W, X = W.double().clone(), X.double()
    H = 2 / len(X) * X.T @ X
    H += 0.01 * H.diagonal().mean() * torch.eye(len(H), dtype=torch.float64)
    rows, columns = W.shape
    keep = torch.ones(rows, columns, dtype=torch.bool)
    inverses = [torch.linalg.inv(H[j:, j:]) for j in range(columns)]

    def loss(i, j):
        return float(W[i, j] ** 2 / inverses[j][0, 0])

    done = 0
    for j in range(columns):
        if n_m is None and j % block == 0:
            end = min(j + block, columns)
            ranked = sorted((loss(i, k), i, k) for i in range(rows) for k in range(j, end))
            count = round(sparsity * rows * end) - done
            done += count
            for _, i, k in ranked[:count]:
                keep[i, k] = False
        if n_m is not None and j % n_m[1] == 0:
            for i in range(rows):
                ranked = sorted((loss(i, k), k) for k in range(j, j + n_m[1]))
                for _, k in ranked[: n_m[1] - n_m[0]]:
                    keep[i, k] = False
        for i in range(rows):
            if not keep[i, j]:
                W[i, j:] -= W[i, j] / inverses[j][0, 0] * inverses[j][0]
    return keep, torch.where(keep, W, 0)


@pytest.mark.parametrize(
    ("sparsity", "pattern", "n_m"),
    [(0.5, "unstructured", None), (0.8, "unstructured", None), (0.5, "2:4", (2, 4)), (0.5, "4:8", (4, 8))],
)
def test_sparsegpt_equals_a_slow_reference(sparsity, pattern, n_m):
    W, X = matrix(7, 160), correlated(400, 160)  # blocks of 128 and 32 columns
    keep, pruned = reference(W, X, sparsity, n_m)
    trace = prune(W, "sparsegpt", sparsity, pattern, X)
    assert torch.equal(trace.mask, keep)
    torch.testing.assert_close(trace.pruned.double(), pruned, rtol=0, atol=1e-5)


@pytest.mark.parametrize("sparsity", [0.1, 0.5, 0.9])
def test_sparsegpt_loses_less_than_wanda_and_magnitude(sparsity):
    W, X = matrix(24, 160), correlated(400, 160)
    lost = {m: output_error(W, prune(W, m, sparsity, activations=X).pruned, X) for m in METHODS}
    assert 0 < lost["sparsegpt"] < lost["wanda"] < lost["magnitude"] < lost["random"]


def test_a_single_cut_is_made_good_as_least_squares_would():
    # One weight cut, the first: the rest of the row must become the damped least-squares fit to X W.
    W, X = matrix(1, 6), correlated(40, 6)
    W[0, 0] = 0.02
    trace = prune(W, "sparsegpt", 1 / 6, activations=X)
    assert trace.mask.tolist() == [[False, True, True, True, True, True]]
    A = X.double()
    H = 2 / 40 * A.T @ A
    H += 0.01 * H.diagonal().mean() * torch.eye(6, dtype=torch.float64)
    # minimise (w - v) H (w - v) with v_0 = 0: H_FF (v_F - w_F) = H_F0 w_0
    moved = torch.linalg.solve(H[1:, 1:], H[1:, 0] * float(W[0, 0]))
    torch.testing.assert_close(trace.error[0, 1:].double(), moved, rtol=0, atol=1e-6)
    assert moved.abs().max() > 5e-4


def test_independent_inputs_leave_sparsegpt_nothing_to_make_good():
    W, X = matrix(6, 8), torch.cat([torch.eye(8)] * 2) * torch.arange(1.0, 9)
    trace = prune(W, "sparsegpt", 0.5, activations=X)
    H = 2 / 16 * 2 * torch.arange(1.0, 9).square()
    torch.testing.assert_close(trace.scores, W.square() * (H + 0.01 * H.mean()))
    torch.testing.assert_close(trace.pruned, torch.where(trace.mask, W, 0))


def test_rows_are_scored_by_the_whole_inverse():
    W, X = matrix(4, 9), correlated(50, 9)
    A = X.double()
    H = 2 / 50 * A.T @ A
    H += 0.01 * H.diagonal().mean() * torch.eye(9, dtype=torch.float64)
    want = W.double().square() / torch.linalg.inv(H).diagonal()
    got = prune(W, "sparsegpt", 0.5, "rows", X).scores
    torch.testing.assert_close(got.double(), want, rtol=1e-4, atol=0)
    assert torch.equal(got, weight_scores(W, "sparsegpt", X))


@pytest.mark.parametrize("pattern", ["unstructured", "2:4", "rows"])
def test_sparsegpt_with_inputs_of_zero_cuts_by_size(pattern):
    W = matrix(4, 8)
    trace = prune(W, "sparsegpt", 0.5, pattern, torch.zeros(5, 8))
    assert torch.equal(trace.mask, prune(W, "magnitude", 0.5, pattern).mask)
    torch.testing.assert_close(trace.pruned, torch.where(trace.mask, W, 0))


def test_columns_that_are_never_read_go_first():
    X = correlated(50, 8)
    X[:, 5] = 0
    W = torch.full((3, 8), 1.0)
    assert not prune(W, "sparsegpt", 1 / 8, activations=X).mask[:, 5].any()


# --- small and strange matrices


def test_magnitude_by_hand():
    W = tensor([1, -4, 2, 3], [0.5, 6, -7, -0.25])
    trace = prune(W, "magnitude", 0.5)
    assert torch.equal(trace.pruned, tensor([0, -4, 0, 3], [0, 6, -7, 0]))
    assert torch.equal(trace.error, tensor([-1, 0, -2, 0], [-0.5, 0, 0, 0.25]))
    assert torch.equal(trace.threshold, torch.tensor([2.0])) and trace.achieved == 0.5
    assert trace.next_cut(12.5).tolist() == [[False, False, False, True], [False] * 4]
    assert torch.equal(prune(W, "magnitude", 0.5, "2:4").pruned, tensor([0, -4, 0, 3], [0, 6, -7, 0]))
    assert torch.equal(prune(W, "magnitude", 0.5, "rows").pruned, tensor([0] * 4, [0.5, 6, -7, -0.25]))


@pytest.mark.parametrize("value", [0.0, 2.5])
def test_of_equal_scores_the_first_go(value):
    W, X = torch.full((3, 8), value), torch.ones(4, 8)
    flat = torch.arange(24).reshape(3, 8)
    assert torch.equal(prune(W, "magnitude", 0.3).mask, flat >= 7)
    assert torch.equal(prune(W, "wanda", 0.25, activations=X).mask, flat % 8 >= 2)
    assert torch.equal(prune(W, "magnitude", 0.5, "2:4").mask, flat % 4 >= 2)
    assert torch.equal(prune(W, "magnitude", 1 / 3, "rows").mask, flat >= 8)
    assert torch.equal(prune(-W, "magnitude", 0.3).mask, flat >= 7)


def test_ties_at_the_edge_only():
    W = tensor([2, 1, 2], [2, 0, 2])
    assert prune(W, "magnitude", 0.5).mask.tolist() == [[False, False, True], [True, False, True]]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "W", [tensor([3]), torch.zeros(2, 4), torch.ones(2, 4)], ids=["1x1", "zeros", "ones"]
)
def test_strange_matrices_work(W, method):
    X = torch.ones(3, W.shape[1])
    for pattern, sparsity in (
        ("unstructured", 0.0),
        ("unstructured", 0.5),
        ("unstructured", 1.0),
        ("rows", 1.0),
    ):
        trace = prune(W, method, sparsity, pattern, X)
        assert trace.pruned.isfinite().all() and trace.scores.isfinite().all()
        assert int((~trace.mask).sum()) == round(sparsity * W.numel())


def test_float16_weights_are_taken_and_nothing_given_is_changed():
    W, X = matrix(6, 8).half(), correlated(30, 8).half()
    before, read = W.clone(), X.clone()
    for method in METHODS:
        trace = prune(W, method, 0.5, activations=X)
        assert trace.pruned.dtype == trace.scores.dtype == torch.float32
        assert torch.equal(trace.weight, before.float())
        trace.weight.zero_()
    assert torch.equal(W, before) and torch.equal(X, read)
    W = W.float()
    prune(W, "magnitude", 0.5).weight.zero_()  # the trace's own copy
    assert torch.equal(W, before.float())


# --- the trace


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("pattern", ["unstructured", "rows"])
def test_the_next_cut_is_what_more_sparsity_cuts(method, pattern):
    W, X = matrix(20, 40), correlated(100, 40)
    trace, more = (prune(W, method, s, pattern, X) for s in (0.4, 0.5))
    upcoming = trace.next_cut(10.0)
    assert int(upcoming.sum()) == int(trace.mask.sum()) - int(more.mask.sum()) > 0
    assert not (upcoming & ~trace.mask).any()
    if method != "sparsegpt":
        assert torch.equal(upcoming, trace.mask & ~more.mask)
    assert torch.equal(trace.next_cut(100.0), trace.mask)  # never more than all
    assert not trace.next_cut(0.0).any()


def test_the_next_cut_of_sparsegpt_is_per_block():
    W, X = matrix(8, 160), correlated(300, 160)
    trace = prune(W, "sparsegpt", 0.5, activations=X)
    upcoming = trace.next_cut(25.0)
    assert upcoming[:, :128].sum() == 8 * 128 / 4 and upcoming[:, 128:].sum() == 8 * 32 / 4


def test_patterns_have_no_next_cut():
    assert not prune(matrix(4, 8), "magnitude", 0.5, "2:4").next_cut(10.0).any()


@pytest.mark.parametrize("method", ["magnitude", "random", "wanda"])
def test_the_threshold_parts_cut_from_kept(method):
    trace = prune(matrix(10, 30), method, 0.6, activations=correlated(50, 30))
    edge = trace.threshold
    assert edge.shape == ((10,) if method == "wanda" else (1,))
    assert torch.equal(trace.scores > edge[:, None], trace.mask)


def test_where_there_is_no_threshold():
    W, X = matrix(4, 8), correlated(20, 8)
    assert prune(W, "magnitude", 0.0).threshold is None
    assert prune(W, "magnitude", 0.5, "2:4").threshold is None
    assert prune(W, "sparsegpt", 0.5, activations=X).threshold is None


def test_a_trace_is_frozen():
    trace = prune(matrix(2, 2), "magnitude", 0.5)
    assert isinstance(trace, PruneTrace)
    with pytest.raises(FrozenInstanceError):
        trace.sparsity = 0.1


def test_output_error_by_hand():
    W, X = tensor([1, 2], [0, 1]), tensor([2, 1])
    # Y = (4, 1); without the weight 2: (2, 1). 4 / 17.
    assert output_error(W, tensor([1, 0], [0, 1]), X) == pytest.approx(4 / 17)
    assert output_error(W, torch.zeros(2, 2), X) == 1 and output_error(W, W, X) == 0
    assert output_error(torch.zeros(2, 2), torch.zeros(2, 2), X) == 0


# --- what is refused


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"method": "hessian"},
            "The method must be one of magnitude, random, wanda, sparsegpt; got hessian.",
        ),
        ({"pattern": "1:2"}, "The pattern must be one of unstructured, 2:4, 4:8, rows; got 1:2."),
        ({"sparsity": 1.5}, "Sparsity must lie between 0 and 1; got 1.5."),
        ({"sparsity": -0.1}, "Sparsity must lie between 0 and 1; got -0.1."),
        ({"sparsity": math.nan}, "Sparsity must lie between 0 and 1; got nan."),
        ({"pattern": "2:4", "sparsity": 0.25}, "2:4 keeps 2 of 4: its sparsity is 0.5; got 0.25."),
        ({"pattern": "4:8", "sparsity": 0.6}, "4:8 keeps 4 of 8: its sparsity is 0.5; got 0.6."),
        ({"pattern": "2:4"}, "2:4 needs rows of a multiple of 4 weights; got 6."),
        ({"pattern": "4:8"}, "4:8 needs rows of a multiple of 8 weights; got 6."),
        ({"method": "wanda"}, "wanda needs activations of width 6; got none."),
        ({"method": "sparsegpt"}, "sparsegpt needs activations of width 6; got none."),
        (
            {"method": "sparsegpt", "pattern": "rows"},
            "sparsegpt needs activations of width 6; got none.",
        ),
        (
            {"method": "wanda", "activations": torch.zeros(0, 6)},
            "wanda needs activations of width 6; got none.",
        ),
        (
            {"method": "wanda", "activations": torch.ones(3, 5)},
            "wanda needs activations of width 6; got width 5.",
        ),
        (
            {"method": "sparsegpt", "activations": torch.tensor([[1, 2, 3, torch.nan, torch.inf, 0]])},
            "Activations must be finite; 2 are not.",
        ),
    ],
)  # fmt: skip
def test_refusals(options, sentence):
    options = {"method": "magnitude", "sparsity": 0.5, **options}
    with pytest.raises(ValueError) as refusal:
        prune(matrix(3, 6), **options)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
def test_weights_that_are_not_finite_are_refused(method, bad):
    W = matrix(3, 6)
    W[1, 2] = bad
    with pytest.raises(ValueError, match="Weights must be finite; 1 of 18 are not."):
        prune(W, method, 0.5, activations=torch.ones(3, 6))
