"""Structured pruning, prepared: assets/pocket/fairy-sheared, the pocket target cut to less than half.

Command: python -m training.shear      (the minutes, the machine and the losses stand in its card.json)

Gates and weights are searched for the target shape, the rows are removed, and the small model is trained on;
beside it a model of the same shape from scratch, for as many steps on the same batches. Data: as in
training/language.py; the losses in the card are those of assets/text/fairy.safetensors, "held_out", before
the weights were rounded to bfloat16. Its minutes are by the clock, on a machine that had other work too.

Beside the model: history.safetensors, what the search and the training went through.
"""

import argparse
import hashlib
import json
import math
import time
from dataclasses import asdict, astuple
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from demos.kit.device import device
from demos.kit.torchvision_shim import register_missing_operators
from demos.pruning.gates import Gates
from demos.pruning.masking import masked, shear
from demos.pruning.shape import Shape, shape_of
from demos.pruning.shearing import ShearStep, decide, final_gates, shear_search
from demos.pruning.training import continue_training, from_scratch, next_token_loss
from training.language import END, POCKET, ROOT, TEST, VALIDATION, books
from training.loop import machine

register_missing_operators()  # before transformers is imported

from transformers import AutoModelForCausalLM  # noqa: E402

SOURCE = POCKET / "fairy-target"
LENGTH = 256  # tokens that are predicted in a window
POINTS = 60  # of the search in the history


def windows_of(texts: dict[str, str]) -> Tensor:
    """The training books as windows [n, LENGTH + 1] of token ids; each begins with the last one's end."""
    tokenizer = Tokenizer.from_file(str(SOURCE / "tokenizer.json"))
    end = tokenizer.token_to_id(END)
    trained = [title for title in texts if title not in (VALIDATION, TEST)]
    tokens = np.concatenate([[*tokenizer.encode(texts[title]).ids, end] for title in trained])
    starts = np.arange(0, len(tokens) - LENGTH, LENGTH)
    return torch.from_numpy(np.stack([tokens[s : s + LENGTH + 1] for s in starts])).to(torch.int16)


@torch.no_grad()
def held_out_loss(model: nn.Module, held_out: Tensor) -> float:
    """Nats per token, in float32; all windows are of one length."""
    model.eval()
    return sum(next_token_loss(model, part).item() * len(part) for part in held_out.split(8)) / len(held_out)


def history(steps: list[ShearStep]) -> dict[str, Tensor]:
    """The loss of all steps; of POINTS steps, spread evenly, the gates' probabilities and the constraints."""
    chosen = [steps[i] for i in np.unique(np.linspace(0, len(steps) - 1, POINTS).astype(int))]
    names = tuple(Gates.__dataclass_fields__)
    return {
        "search.loss": torch.tensor([step.loss for step in steps]),
        "search.number": torch.tensor([step.number for step in chosen], dtype=torch.int32),
        **{f"search.{n}": torch.stack([getattr(s, n) for s in chosen]) for n in ("sizes", "goal")},
        **{f"search.{n}": torch.stack([getattr(s, n) for s in chosen]) for n in ("linear", "quadratic")},
        **{
            f"probability.{name}": torch.stack([getattr(s.probabilities, name).half() for s in chosen])
            for name in names
        },
    }


def trained(model: nn.Module, windows: Tensor, args) -> Tensor:
    """Trains the model itself; the loss of each step."""
    losses = []
    for number, loss in continue_training(
        model, windows, steps=args.steps, seed=args.seed, batch=args.batch, length=LENGTH, rate=args.rate,
        dtype=torch.bfloat16,
    ):  # fmt: skip
        losses.append(loss)
        if number % 50 == 0:
            print(f"step {number} loss {np.mean(losses[-50:]):.3f}", flush=True)
    return torch.tensor(losses)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT / "data")
    parser.add_argument("--out", type=Path, default=POCKET / "fairy-sheared")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--target", type=int, nargs=4, default=(4, 192, 3, 512), help="layers width heads units"
    )
    parser.add_argument("--search-steps", type=int, default=600)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    args = parser.parse_args()
    began = time.monotonic()
    data, target = args.data / "fairy-tales.tar.xz", Shape(*args.target)
    windows = windows_of(books(args.data))
    held_out = load_file(ROOT / "assets" / "text" / "fairy.safetensors")["held_out"]
    model = AutoModelForCausalLM.from_pretrained(SOURCE, dtype=torch.float32).to(device()).eval()
    losses = {"source": held_out_loss(model, held_out)}

    steps = []
    for step in shear_search(
        model, target, windows, steps=args.search_steps, seed=args.seed, dtype=torch.bfloat16
    ):
        steps.append(step)
        if step.number % 20 == 0:
            sizes = [round(size, 1) for size in step.sizes.tolist()]
            print(f"search {step.number} loss {step.loss:.3f} sizes {sizes}", flush=True)
    kept = decide(step.log_alpha, target)
    gates = final_gates(step.log_alpha, kept)
    losses["masked_after_the_search"] = held_out_loss(masked(step.model, kept, gates), held_out)
    sheared = shear(step.model, kept, gates)
    losses["sheared"] = held_out_loss(sheared, held_out)
    minutes = {"search": (time.monotonic() - began) / 60}
    print(losses, flush=True)

    scratch = from_scratch(sheared, args.seed)
    losses["from_scratch_before"] = held_out_loss(scratch, held_out)
    told = history(steps) | {f"kept.{name}": index.int() for name, index in vars(kept).items()}
    told |= {f"gate.{name}": z for name, z in vars(gates).items()}
    for name, small in (("sheared_and_trained", sheared), ("from_scratch", scratch)):
        began = time.monotonic()
        told[f"{name}.loss"] = trained(small, windows, args)
        losses[name] = held_out_loss(small, held_out)
        minutes[name] = (time.monotonic() - began) / 60
        print(losses, flush=True)

    sheared.to(torch.bfloat16).save_pretrained(args.out, max_shard_size="9MB")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (args.out / name).write_bytes((SOURCE / name).read_bytes())
    save_file({k: v.cpu().contiguous() for k, v in told.items()}, args.out / "history.safetensors")
    card = {
        "command": "python -m training.shear "
        f"--target {' '.join(map(str, astuple(target)))} --search-steps {args.search_steps} "
        f"--steps {args.steps} --batch {args.batch} --rate {args.rate:g} --seed {args.seed}",
        "seed": args.seed,
        "machine": machine(device()),
        "minutes": {name: round(value, 1) for name, value in minutes.items()},
        "data": {"file": data.name, "sha256": hashlib.sha256(data.read_bytes()).hexdigest()},
        "source": {"model": SOURCE.name, "parameters": model.num_parameters(), **asdict(shape_of(model))},
        "target": {"parameters": sheared.num_parameters(), **asdict(target)},
        "search": {"steps": args.search_steps, "tokens": args.search_steps * 4 * 128},
        "training": {"steps": args.steps, "tokens": args.steps * args.batch * LENGTH},
        "held_out_loss_per_token": {name: round(loss, 4) for name, loss in losses.items()},
        "held_out_perplexity": {name: round(math.exp(loss), 2) for name, loss in losses.items()},
        "licence": "weights: Apache-2.0; training texts: public domain in the USA",
    }
    (args.out / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    AutoModelForCausalLM.from_pretrained(args.out)  # what was written can be read


if __name__ == "__main__":
    main()
