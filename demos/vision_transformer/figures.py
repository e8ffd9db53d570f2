"""A run -> what the linked canvases draw. Pure functions; nothing is computed here that the lesson talks of.

The attentions of each layer are a file of their own: a large model's are 1 MB a layer, and the page fetches
those that it shows.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from demos.kit.pack import Packed, pack
from demos.vision_transformer.algorithm import ViTTrace
from demos.vision_transformer.embedding import Filters, similarity
from demos.vision_transformer.panels import PANELS
from demos.vision_transformer.relevance import rollout

SHOWN = 10  # classes


@runtime_checkable
class Run(Protocol):
    """What the pictures need of `work.Seen`."""

    trace: ViTTrace
    filters: Filters
    answer: Tensor
    untouched: Tensor
    in_order: Tensor
    labels: tuple[str, ...]
    pixels: np.ndarray
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class View:
    """main: all but the attentions. layers: the attentions of each, [heads, S, S]."""

    main: Packed
    layers: tuple[Packed, ...]


def view(run: Run, key: str, picture: str, title: str) -> View:
    """All that the page draws of one run.

    key: the run's key on the server. picture: names the input, so that the chosen patch stays when only
    a setting changes. title: the model's name.
    """
    trace = run.trace
    patches = slice(1 + trace.registers, None)
    height, width, channels = run.pixels.shape
    arrays = {
        "pixels": (run.pixels, "u1"),
        "patches": (trace.patches, "f2"),
        "projected": (trace.projected, "f2"),
        "positions": (trace.positions, "f2"),
        "sequence": (trace.sequence, "f2"),
        "filters": (run.filters.components, "f2"),
        "share": (run.filters.share, "f4"),
        "alike_positions": (similarity(trace.positions[patches]), "f2"),
        "alike_with": (similarity(trace.sequence[patches]), "f2"),
        "alike_without": (similarity(trace.projected), "f2"),
        "rollout": (rollout(trace.attentions), "f2"),
    }
    ordered = None if torch.equal(run.in_order, run.answer) else run.in_order
    facts = {
        "key": key,
        "picture": picture,
        "model": title,
        "panels": PANELS,
        "height": height,
        "width": width,
        "channels": channels,
        "patch": height // trace.grid[0],
        "rows": trace.grid[0],
        "columns": trace.grid[1],
        "registers": trace.registers,
        "layers_count": trace.attentions.shape[0],
        "heads": trace.attentions.shape[1],
        "with_positions": bool(trace.positions.abs().max() > 0),
        "bars": bars(run.untouched, run.answer, run.labels, ordered),
        "likeness": likeness(run.untouched, run.answer, run.labels),
    }
    layers = tuple(pack({"A": (A, "f2")}, {}) for A in numpy(trace.attentions))
    return View(pack({name: (numpy(a), wire) for name, (a, wire) in arrays.items()}, facts), layers)


def numpy(array: Tensor | np.ndarray) -> np.ndarray:
    return array.numpy() if isinstance(array, Tensor) else array


def bars(
    untouched: Tensor, now: Tensor, labels: tuple[str, ...], ordered: Tensor | None = None
) -> list[dict]:
    """The likeliest classes of the untouched picture and of this one: class, label, both probabilities.

    ordered: the answer before a shuffle, where there was one.

    All where there are at most SHOWN, in their own order; else the highest, the likeliest first. Empty
    for a model without classes.
    """
    if not labels:
        return []
    shown = range(len(labels))
    if len(labels) > SHOWN:
        highest = np.maximum(untouched.numpy(), now.numpy())
        shown = np.argsort(-highest, kind="stable")[:SHOWN].tolist()
    return [
        {
            "class": i,
            "label": labels[i],
            "untouched": float(untouched[i]),
            "now": float(now[i]),
            "ordered": None if ordered is None else float(ordered[i]),
        }
        for i in shown
    ]


def likeness(untouched: Tensor, now: Tensor, labels: tuple[str, ...]) -> float | None:
    """For a model without classes: the cosine between what CLS became for both pictures."""
    if labels:
        return None
    return float(untouched @ now / (untouched.norm() * now.norm()))
