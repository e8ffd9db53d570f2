"""What the page runs for structured pruning: the run that ships, and the visitor's own."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from jaxtyping import Int
from safetensors.torch import load_file, save
from torch import Tensor, nn

from demos.kit.calibration import HELD_OUT
from demos.kit.device import on_gpu
from demos.kit.hub import LoadError
from demos.kit.language import TEXT, sequences
from demos.kit.models import POCKET, Loaded, load
from demos.kit.passes import memory_for, on_threads, threads_for, to_the_last
from demos.kit.runs import Runs
from demos.kit.timing import token_times
from demos.kit.zoo import MODELS
from demos.pruning.gates import Gates
from demos.pruning.masking import Kept, masked, shear
from demos.pruning.shape import Shape, shape_of
from demos.pruning.shear_controls import SOURCE, SOURCES, Plan
from demos.pruning.shear_trace import Cut, Frame, Shearing, Weight
from demos.pruning.shearing import ShearStep, decide, final_gates, shear_search
from demos.pruning.training import continue_training, from_scratch, next_token_loss

PREPARED = POCKET / "fairy-sheared"
PAUSE = 0.5  # seconds between two states that are shown
FRAMES = 60  # of a search
AT_ONCE = 8  # sequences in a pass
COMPARED = 4  # sequences whose logits are compared
PROMPT_TOKENS = 32  # read before the first token whose time is taken
GATES = tuple(Gates.__dataclass_fields__)

Check = Callable[[], None]

RUNS: Runs[Shearing] = Runs(100_000_000, 1800, lambda run: 200_000 + sum(map(_nbytes, run.frames)))


def _nbytes(frame: Frame) -> int:
    return sum(t.nbytes for t in (*frame.probabilities.all(), frame.sizes, frame.goal)) + 1_000


@on_gpu(seconds=60)
def prepared_run(check: Check) -> Iterator[Shearing]:
    """The run that ships: at first as its files tell it, then with both models weighed on this machine.

    Raises LoadError where the files are not there.
    """
    if not (PREPARED / "card.json").is_file():
        raise LoadError(f"The prepared run was expected in {PREPARED.name}/card.json; it is not there.")
    run = _told()
    yield run
    with load(SOURCES[SOURCE]) as source, load(MODELS["fairy-sheared"]) as sheared:
        yield _weighed(run, source, sheared.model, check)


def _told() -> Shearing:
    card = json.loads((PREPARED / "card.json").read_text(encoding="utf-8"))
    told = load_file(PREPARED / "history.safetensors")
    source, target = (
        Shape(*(card[which][part] for part in Shape.__dataclass_fields__)) for which in ("source", "target")
    )

    def gates(prefix: str, at: int | slice = slice(None)) -> Gates:
        return Gates(*(told[f"{prefix}.{name}"][at] for name in GATES))

    frames = tuple(
        Frame(
            int(number),
            *(told[f"search.{name}"][at] for name in ("sizes", "goal", "linear", "quadratic")),
            gates("probability", at),
        )
        for at, number in enumerate(told["search.number"])
    )
    return Shearing(
        source,
        target,
        card["search"]["steps"],
        card["training"]["steps"],
        windows=len(load_file(TEXT)["held_out"]),
        frames=frames,
        searched=tuple(told["search.loss"].tolist()),
        cut=Cut(Kept(*(told[f"kept.{name}"].long() for name in GATES)), gates("gate")),
        trained=tuple(told["sheared_and_trained.loss"].tolist()),
        scratch=tuple(told["from_scratch.loss"].tolist()),
        held_out=card["held_out_loss_per_token"],
        prepared=f"`{card['command']}`, {sum(card['minutes'].values()):.0f} minutes on {card['machine']}",
    )


def training_windows() -> Int[Tensor, "n longest"]:
    """What the pocket target wrote itself: text enough that a short training does not learn it by heart."""
    return load_file(TEXT)["written"]


@on_gpu(seconds=600)
def shearing(plan: Plan, check: Check) -> Iterator[Shearing]:
    """The plan's run as it grows, a state each PAUSE seconds. Raises InputError, LoadError."""
    spec = SOURCES[plan.source]
    with memory_for(spec), load(spec) as loaded:
        yield from to_the_last(on_threads(spec, _shearing(loaded, plan, check)), PAUSE)


def _shearing(loaded: Loaded, plan: Plan, check: Check) -> Iterator[Shearing]:
    target, windows = Shape(*plan.target), training_windows()
    held_out = sequences(loaded, "held_out", HELD_OUT)
    run = Shearing(shape_of(loaded.model), target, plan.steps, plan.training, windows=len(held_out))
    every = max(1, plan.steps // FRAMES)
    check()
    for step in shear_search(
        loaded.model, target, windows, steps=plan.steps, seed=plan.seed, gate_rate=plan.gate_rate
    ):
        check()
        # The step now, and of those before it the first and each `every`th.
        before = tuple(f for f in run.frames if f.number == 1 or f.number % every == 0)
        run = replace(
            run,
            frames=(*before, _frame(step)),
            searched=(*run.searched, step.loss),
            seconds=run.seconds + step.milliseconds / 1000,
        )
        yield run
    kept = decide(step.log_alpha, target)
    gates = final_gates(step.log_alpha, kept)
    shut, small = masked(step.model, kept, gates), shear(step.model, kept, gates)
    scratch = from_scratch(small, plan.seed)
    run = replace(run, cut=Cut(kept, gates, *compare(shut, small, held_out[:COMPARED])))
    for name, model in (
        ("source", loaded.model),
        ("masked_after_the_search", shut),
        ("sheared", small),
        ("from_scratch_before", scratch),
    ):
        yield run
        run = _measured(run, name, model, held_out, check)
    yield run
    run = _weighed(run, loaded, small, check)
    yield run
    both = (
        continue_training(model, windows, steps=plan.training, seed=plan.seed, rate=plan.rate)
        for model in (small, scratch)
    )
    for (_, one), (_, other) in zip(*both, strict=True):
        check()
        run = replace(run, trained=(*run.trained, one), scratch=(*run.scratch, other))
        yield run
    run = _measured(run, "sheared_and_trained", small, held_out, check)
    yield _measured(run, "from_scratch", scratch, held_out, check)


def _frame(step: ShearStep) -> Frame:
    halves = step.probabilities.map(lambda t: t.half())
    return Frame(step.number, step.sizes, step.goal, step.linear, step.quadratic, halves)


def _measured(run: Shearing, name: str, model: nn.Module, held_out: Tensor, check: Check) -> Shearing:
    return replace(run, held_out={**run.held_out, name: held_out_loss(model, held_out, check)})


@torch.no_grad()
def held_out_loss(model: nn.Module, ids: Int[Tensor, "n T"], check: Check) -> float:
    """Mean loss of a token, in nats; all sequences are of one length."""
    total = 0.0
    for part in ids.split(AT_ONCE):
        check()
        total += next_token_loss(model, part).item() * len(part)
    return total / len(ids)


@torch.no_grad()
def compare(one: nn.Module, other: nn.Module, ids: Int[Tensor, "n T"]) -> tuple[float, float]:
    """The largest difference of a logit between two models on the same text, and the largest logit."""
    a, b = (model(input_ids=ids.to(model.device), use_cache=False).logits.float() for model in (one, other))
    return float((a - b).abs().max()), float(a.abs().max())


def _weighed(run: Shearing, loaded: Loaded, small: nn.Module, check: Check) -> Shearing:
    """With parameters, bytes, and the time of a token of both models, taken in turns."""
    prompt = sequences(loaded, "held_out", 1)[:, :PROMPT_TOKENS].to(loaded.model.device)
    with threads_for(loaded.spec):
        *_, times = token_times([loaded.model, small], prompt, check)
    return replace(run, weights=tuple(map(weight_of, (loaded.model, small), times)))


def weight_of(model: nn.Module, milliseconds: float) -> Weight:
    """What the model weighs; its time is taken elsewhere."""
    parameters = dict(model.named_parameters())  # a shared one once
    stored = save({name: p.detach().bfloat16().contiguous().cpu() for name, p in parameters.items()})
    return Weight(
        parameters=sum(p.numel() for p in parameters.values()),
        memory=sum(p.nbytes for p in parameters.values()),
        file=len(stored),
        milliseconds=milliseconds,
    )
