"""The controls of structured pruning: what its widgets hold, checked. Nothing here loads torch."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from demos.kit.inputs import check_choice, check_number, check_whole
from demos.kit.zoo import MODELS, ModelSpec

POCKET = Path(__file__).parents[2] / "assets" / "pocket"

# name -> its model, a Llama whose shape is known before it is loaded; the first is the one at the start.
SOURCES: dict[str, ModelSpec] = {MODELS[slug].title: MODELS[slug] for slug in ("fairy-target", "fairy-draft")}
SOURCE = next(iter(SOURCES))
# part of a shape -> label, and what the model's config calls it
PARTS = {
    "layers": ("Layers", "num_hidden_layers"),
    "width": ("Width", "hidden_size"),
    "heads": ("Heads", "num_attention_heads"),
    "units": ("MLP units", "intermediate_size"),
}
PAPER = (2, 3, 2, 4)  # the small example in Xia et al. (2024), L, d, H, m

# name -> label, lowest, highest, step, value at the start
RANGES = {
    "steps": ("Steps of the search", 10, 600, 10, 300),
    "training": ("Steps of training after the cut", 10, 600, 10, 200),
    "seed": ("Seed", 0, 9999, 1, 0),
    "gate_rate": ("Learning rate of the gates", 0.01, 0.5, 0.01, 0.1),
    "rate": ("Learning rate after the cut", 0.0001, 0.01, 0.0001, 0.001),
}


@dataclass(frozen=True)
class Plan:
    """A shearing; equal plans are one run. target: L, d, H, m."""

    source: str
    target: tuple[int, int, int, int]
    steps: int
    training: int
    seed: int
    gate_rate: float
    rate: float


@cache
def sizes_of(source: str) -> tuple[int, int, int, int]:
    """L, d, H, m of a model of SOURCES."""
    config = json.loads((POCKET / SOURCES[source].repo / "config.json").read_text(encoding="utf-8"))
    return tuple(config[name] for _, name in PARTS.values())


def two_thirds(source: str) -> tuple[int, int, int, int]:
    """Two thirds of each number of the source's shape."""
    return tuple(max(1, round(2 * size / 3)) for size in sizes_of(source))


def source_of(name: object) -> str:
    """The model to shear. Raises InputError for one that is not offered."""
    return check_choice("The source", name, tuple(SOURCES))


def plan_of(source, layers, width, heads, units, steps, training, seed, gate_rate, rate) -> Plan:
    """The widgets' values, checked. Raises InputError with what was expected and what came."""
    source = source_of(source)
    target = tuple(
        check_whole(label, size, 1, most, f"({most} is what {source} has)")
        for (label, _), size, most in zip(
            PARTS.values(), (layers, width, heads, units), sizes_of(source), strict=True
        )
    )
    return Plan(
        source,
        target,
        steps=_within(check_whole, "steps", steps),
        training=_within(check_whole, "training", training),
        seed=_within(check_whole, "seed", seed),
        gate_rate=_within(check_number, "gate_rate", gate_rate),
        rate=_within(check_number, "rate", rate),
    )


def _within(check: Callable, name: str, value: object):
    label, low, high, _, _ = RANGES[name]
    return check(label, value, low, high)
