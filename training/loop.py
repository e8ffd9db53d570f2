"""The loop that the recipes share: a budget of minutes, a cosine schedule over it, the best and last weights.

The schedule follows the time spent, so that it ends annealed on any machine. On a CPU that is the
processor's time over its cores: what other programs take, or a pause, does not count.
"""

import hashlib
import math
import os
import platform
import signal
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

WARM_STEPS = 100


def train(
    model: torch.nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    folder: Path,
    *,
    device: str,
    minutes: float,
    check_minutes: float,
    batch_loss: Callable[[int, float], tuple[Tensor, int]],
    score: Callable[[], float],
) -> None:
    """Trains within the budget and leaves best.pt (weights) and last.pt (all, to go on from) in the folder.

    batch_loss: (step, share of the budget spent) -> loss, number of examples or tokens. It must draw its
    batch from the step, so that a resumed run sees the same. score: a loss on held-out data, lower is
    better. A run that is stopped by SIGTERM goes on where it was when it is started again.
    """
    folder.mkdir(parents=True, exist_ok=True)

    def groups_now() -> list[dict]:  # asked anew: load_state_dict puts other ones in their place
        return [group for optimizer in optimizers for group in optimizer.param_groups]

    peaks = [group["lr"] for group in groups_now()]
    state = {"step": 0, "seconds": 0.0, "best": math.inf, "items": 0, "checked": 0.0}
    state["machine"] = machine(device)
    last = folder / "last.pt"
    if last.exists():
        saved = torch.load(last, map_location=device, weights_only=False)
        model.load_state_dict(saved["model"])
        for optimizer, kept in zip(optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        state |= saved["state"]
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    recent: list[float] = []

    def clock() -> float:
        return time.monotonic() if device != "cpu" else time.process_time() / torch.get_num_threads()

    def check() -> None:
        loss = score()
        better = loss < state["best"]
        print(
            f"{folder.name} step {state['step']} minutes {state['seconds'] / 60:.1f} items {state['items']} "
            f"held-out {loss:.4f}{' *' if better else ''}",
            flush=True,
        )
        if better:
            state["best"] = loss
            torch.save(model.state_dict(), folder / "best.pt")
        state["checked"] = state["seconds"]
        whole = {
            "model": model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in optimizers],
            "state": state,
        }
        torch.save(whole, last.with_suffix(".part"))
        last.with_suffix(".part").replace(last)

    while state["seconds"] < 60 * minutes and not stopped:
        began, spent, progress = time.monotonic(), clock(), state["seconds"] / 60 / minutes
        warm = min(1.0, (state["step"] + 1) / WARM_STEPS)
        for group, peak in zip(groups_now(), peaks, strict=True):
            group["lr"] = peak * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
        model.train()
        loss, items = batch_loss(state["step"], progress)
        model.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        recent = [*recent[-20:], (time.monotonic() - began) / items]
        state["seconds"] += clock() - spent
        state["step"] += 1
        state["items"] += items
        if state["step"] % 20 == 0:
            rate = 1 / statistics.median(recent)
            print(f"{folder.name} step {state['step']} loss {loss.item():.3f} {rate:.0f}/s", flush=True)
        if state["seconds"] - state["checked"] > 60 * check_minutes:
            check()
    check()
    if stopped:
        sys.exit(0)


def groups(model: torch.nn.Module, rate: float, decay: float, without: tuple[Tensor, ...] = ()) -> list[dict]:
    """Parameter groups for AdamW: matrices with weight decay; vectors and those in `without` with none."""
    spared = {id(p) for p in without}
    matrices = [p for p in model.parameters() if p.ndim >= 2 and id(p) not in spared]
    rest = [p for p in model.parameters() if p.ndim < 2 or id(p) in spared]
    return [
        {"params": matrices, "weight_decay": decay, "lr": rate},
        {"params": rest, "weight_decay": 0.0, "lr": rate},
    ]


def muon(
    model: torch.nn.Module, hidden: torch.nn.Module, rate: float, decay: float
) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Muon (Jordan 2024, steps as Liu et al. 2025) for the matrices in `hidden`, AdamW for the rest."""
    matrices = [p for p in hidden.parameters() if p.ndim == 2]
    ids = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in ids]
    return (
        torch.optim.Muon(matrices, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.99), weight_decay=0.0),
    )


def card(command: str, seed: int, folder: Path, items: str, data: Path) -> dict:
    """How a model came to be: the head of its card.json. folder: where `train` left it; items: their name."""
    state = torch.load(folder / "last.pt", map_location="cpu", weights_only=False)["state"]
    return {
        "command": command,
        "seed": seed,
        "machine": state["machine"],
        "minutes": round(state["seconds"] / 60, 1),
        "steps": state["step"],
        items: state["items"],
        "data": {"file": data.name, "sha256": hashlib.sha256(data.read_bytes()).hexdigest()},
    }


def machine(device: str) -> str:
    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"{os.cpu_count()} CPU cores ({platform.machine()}), bfloat16 autocast"
