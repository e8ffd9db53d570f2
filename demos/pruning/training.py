"""Continued training of a sheared model, and the model from scratch that it is compared with."""

import copy
from collections.abc import Iterator

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, Int
from torch import Tensor, nn

BETAS = (0.9, 0.95)
MOST_NORM = 1.0  # of the gradient


def continue_training(
    model: nn.Module,
    windows: Int[Tensor, "n longest"],
    *,
    steps: int = 300,
    seed: int = 0,
    batch: int = 4,
    length: int = 128,
    rate: float = 1e-3,
    dtype: torch.dtype = torch.float32,
) -> Iterator[tuple[int, float]]:
    """Trains the model itself, in place; yields the number of updates and the loss of the last one's batch.

    windows, batch, length, dtype: as in `shear_search`. The rate rises over the first twentieth of the steps
    and falls to 0 along a cosine. Models of one seed see the same batches.
    Raises ValueError, at the first step, for windows that are too short.
    """
    check_windows(model, windows, length)
    generator = torch.Generator().manual_seed(seed)
    with torch.inference_mode(False):
        model.requires_grad_(True)
        weights = torch.optim.AdamW(model.parameters(), lr=rate, betas=BETAS, weight_decay=0.0)
        rising = max(0.05, 2 / (steps + 1))  # at least one step, which OneCycleLR divides by
        plan = torch.optim.lr_scheduler.OneCycleLR(
            weights, rate, total_steps=steps + 1, pct_start=rising, cycle_momentum=False
        )
    for number in range(1, steps + 1):
        with torch.inference_mode(False), torch.enable_grad():
            loss = next_token_loss(model, draw(windows, batch, length, generator), dtype)
            update(loss, model, weights)
            plan.step()
        yield number, loss.item()
    model.requires_grad_(False)


def from_scratch(model: nn.Module, seed: int = 0) -> nn.Module:
    """A model of the same class and shape with the weights of chance that its class starts with."""
    with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return type(model)(copy.deepcopy(model.config)).to(model.device, model.dtype).eval()


def draw(
    windows: Int[Tensor, "n longest"], batch: int, length: int, generator: torch.Generator
) -> Int[Tensor, "batch length_and_next"]:
    """Pieces of the windows, each with one token more than `length`: the last one is only predicted."""
    rows = torch.randint(len(windows), (batch, 1), generator=generator)
    starts = torch.randint(windows.shape[1] - length, (batch, 1), generator=generator)
    return windows.cpu()[rows, starts + torch.arange(length + 1)]


def next_token_loss(
    model: nn.Module, ids: Int[Tensor, "n length"], dtype: torch.dtype = torch.float32
) -> Float[Tensor, ""]:
    """Mean cross-entropy of each token after the first, in nats."""
    ids = ids.to(model.device, torch.long)
    with torch.autocast(ids.device.type, dtype, enabled=dtype != torch.float32):
        logits = model(input_ids=ids[:, :-1], use_cache=False).logits
    return F.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten())


def update(loss: Float[Tensor, ""], model: nn.Module, *optimizers: torch.optim.Optimizer) -> None:
    """One step down the loss; the gradient of the model's weights is clipped, others are not."""
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), MOST_NORM)
    for optimizer in optimizers:
        optimizer.step()


def check_windows(model: nn.Module, windows: Int[Tensor, "n longest"], length: int) -> None:
    """Raises ValueError unless `draw` can read pieces of the length from them and the model knows all ids."""
    if windows.numel() == 0 or windows.shape[1] <= length:
        raise ValueError(f"windows of more than {length} tokens are expected; got {list(windows.shape)}")
    lowest, highest = int(windows.min()), int(windows.max())
    if lowest < 0 or highest >= model.config.vocab_size:
        raise ValueError(f"token ids must be in 0..{model.config.vocab_size - 1}; got {lowest}..{highest}")
