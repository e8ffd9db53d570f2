"""The recipes' loop: it learns, keeps the best weights, and goes on where it was stopped."""

import os
import signal

import pytest
import torch

from training import loop


def fit(folder, minutes: float, stop_at: int | None = None) -> tuple[torch.nn.Linear, dict, list[int]]:
    """A line through points; the model, the state it left and the steps whose batches were asked for."""
    torch.manual_seed(0)
    model, asked = torch.nn.Linear(2, 1), []
    optimizer = torch.optim.AdamW(loop.groups(model, 0.05, 0.0))
    x = torch.randn(200, 2)
    y = x @ torch.tensor([[2.0], [-1.0]]) + 0.5

    def batch_loss(step: int, progress: float):
        assert 0 <= progress < 1
        asked.append(step)
        if step == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        return ((model(x) - y) ** 2).mean(), len(x)

    def score() -> float:
        with torch.no_grad():
            return float(((model(x) - y) ** 2).mean())

    before = signal.getsignal(signal.SIGTERM)
    try:
        loop.train(
            model,
            [optimizer],
            folder,
            device="cpu",
            minutes=minutes,
            check_minutes=0.002,
            batch_loss=batch_loss,
            score=score,
        )
    finally:
        signal.signal(signal.SIGTERM, before)
    return model, torch.load(folder / "last.pt", weights_only=False)["state"], asked


def test_it_learns_and_keeps_the_best(tmp_path, capsys):
    _, state, asked = fit(tmp_path, 0.01)
    assert asked == list(range(state["step"])) and state["items"] == 200 * state["step"]
    assert 0.6 <= state["seconds"] < 1.5
    best = torch.load(tmp_path / "best.pt")
    assert best["weight"].flatten().tolist() == pytest.approx([2.0, -1.0], abs=0.02)
    scores = [
        float(line.split("held-out ")[1].split()[0])
        for line in capsys.readouterr().out.splitlines()
        if "held-out" in line
    ]
    assert len(scores) > 2 and state["best"] == pytest.approx(min(scores), abs=1e-4)


def test_a_stopped_run_goes_on_where_it_was(tmp_path):
    with pytest.raises(SystemExit):
        fit(tmp_path, 0.01, stop_at=30)
    state = torch.load(tmp_path / "last.pt", weights_only=False)["state"]
    assert state["step"] == 31
    _, state, asked = fit(tmp_path, 0.01)
    assert asked[0] == 31 and state["step"] == asked[-1] + 1


def test_only_matrices_decay(tmp_path):
    model = torch.nn.Sequential(torch.nn.Embedding(5, 4), torch.nn.Linear(4, 3), torch.nn.LayerNorm(3))
    decayed, rest = loop.groups(model, 0.1, 0.3, without=(model[0].weight,))
    assert (decayed["weight_decay"], rest["weight_decay"]) == (0.3, 0.0)
    assert [p.shape for p in decayed["params"]] == [(3, 4)]
    assert len(rest["params"]) == 4
