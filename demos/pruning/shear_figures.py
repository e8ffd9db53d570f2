"""A shearing -> the value of the stage's picture. Pure functions."""

import numpy as np
from torch import Tensor

from demos.kit.pack import Packed, pack
from demos.pruning.gates import Gates
from demos.pruning.shear_controls import PARTS
from demos.pruning.shear_trace import Cut, Shearing

POINTS = 150  # of a line of losses


def view(run: Shearing, key: str, told: str, *, all_frames: bool) -> Packed:
    """What the script draws.

    key: names the run. told: a sentence on progress. all_frames: the gates of all frames, to walk through;
    else those of the last one, as while the run grows.
    Parts: frames F and maps M, the last M of the frames. sizes, goal, linear, quadratic [F, C]; layers
    [M, L], width [M, d], heads [M, L, H], units [M, L, m]: P(z != 0) in 255ths; after the cut kept.* (1:
    stays) and z.* of the same sizes but for M; searched, trained, scratch: losses, each the mean of
    `every` steps.
    """
    shown = run.frames if all_frames else run.frames[-1:]
    lines = ("sizes", "goal", "linear", "quadratic")
    parts = {name: (_stacked([getattr(f, name) for f in run.frames]), "f4") for name in lines}
    for name in PARTS:
        parts[name] = _bytes(_stacked([getattr(f.probabilities, name) for f in shown]))
    if run.cut:
        kept, z = decided(run.cut)
        for name in PARTS:
            parts[f"kept.{name}"] = (getattr(kept, name).numpy(), "u1")
            parts[f"z.{name}"] = _bytes(getattr(z, name).float().numpy())
    every = {}
    for name in ("searched", "trained", "scratch"):
        every[name], means = means_of(getattr(run, name))
        parts[name] = (means, "f4")
    facts = {
        "key": key,
        "source": [run.source.layers, run.source.width, run.source.heads, run.source.units],
        "target": [run.target.layers, run.target.width, run.target.heads, run.target.units],
        "steps": run.steps,
        "training": run.training,
        "numbers": [frame.number for frame in run.frames],
        "decided": run.cut is not None,
        "every": every,
        "dots": _dots(run),
        "told": told,
        "walk": all_frames,
        "done": run.done,
    }
    return pack(parts, facts)


def decided(cut: Cut) -> tuple[Gates, Gates]:
    """What stays (True), and the gates. Heads and units of a layer that goes, go with it."""
    kept = cut.kept.mask(cut.gates)
    stays = kept.layers[:, None]
    kept = Gates(kept.layers, kept.width, kept.heads & stays, kept.units & stays)
    return kept, cut.gates.map(lambda z, keep: z * keep, kept)


def means_of(losses: tuple[float, ...]) -> tuple[int, np.ndarray]:
    """Means of as many neighbours as leave at most POINTS points: how many, and the means [n].

    The last may be of fewer.
    """
    every = max(1, -(-len(losses) // POINTS))
    return every, np.array([np.mean(losses[at : at + every]) for at in range(0, len(losses), every)])


def _dots(run: Shearing) -> list[dict]:
    """Held-out losses where the training begins and where it ends. line: 0 sheared, 1 from scratch."""
    names = (
        *(("sheared", 0, 0), ("from_scratch_before", 1, 0)),
        *(("sheared_and_trained", 0, run.training), ("from_scratch", 1, run.training)),
    )
    return [
        {"line": line, "x": x, "y": run.held_out[name]} for name, line, x in names if name in run.held_out
    ]


def _stacked(tensors: list[Tensor]) -> np.ndarray:
    return np.stack([t.float().numpy() for t in tensors]) if tensors else np.zeros((0, 1), np.float32)


def _bytes(probabilities: np.ndarray) -> tuple[np.ndarray, str]:
    return np.rint(255 * probabilities), "u1"
