"""A shearing -> the sentences of its stage, with the numbers of this run."""

import math
from collections.abc import Mapping

from demos.pruning.shear_trace import LOSSES, Shearing, Weight

ROWS = {
    "source": "source",
    "masked_after_the_search": "masked",
    "sheared": "sheared",
    "sheared_and_trained": "sheared, trained",
    "from_scratch_before": "from scratch",
    "from_scratch": "from scratch, trained",
}


def told(run: Shearing) -> str:
    """How far the run is."""
    if run.done:
        return ""
    if run.cut is None:
        at = len(run.searched)
        left = (run.steps - at) * run.seconds / max(1, at)
        return f"Search: step {at} of {run.steps}, about {left:.0f} s to go."
    if run.trained and len(run.trained) < run.training:
        return f"The rows are removed. Training: step {len(run.trained)} of {run.training}."
    missing = next(name for name in LOSSES if name not in run.held_out)
    if missing == "sheared_and_trained" and not run.trained:
        return "The rows are removed. Timing a token of both models."
    return f"Measured on held-out text now: {ROWS[missing]}."


def stopped(run: Shearing | None) -> str:
    """What a run that was ended leaves."""
    if run is None:
        return "Stopped before the first step."
    if run.cut is None:
        return f"Stopped after {len(run.searched)} of {run.steps} steps of the search."
    return f"Stopped after {len(run.trained)} of {run.training} steps of training."


def caption(run: Shearing) -> str:
    """What was searched for, what it gave, and the losses and weights known so far as a table."""
    lines = [f"From **{run.source}** to **{run.target}**. {_searched(run)}"]
    if run.weights:
        lines.append(_saved(*run.weights))
    if run.cut:
        lines.append(_same(run))
    if run.done:
        lines.append(_compared(run))
    lines.append(
        f"This run ships with the page ({run.prepared}); its losses stand in its card."
        if run.prepared
        else "Search and training read what the pocket target wrote itself."
    )
    return " ".join(lines) + "\n\n" + table(run.held_out, run.weights, run.windows)


def _searched(run: Shearing) -> str:
    if not run.frames:
        return "No step yet."
    last = run.frames[-1]
    layers, width, *others = last.sizes.tolist()
    half = len(others) // 2
    goal = last.goal.tolist()
    return (
        f"At step {last.number} the gates expected to be open (and their targets) are {layers:.2f} layers "
        f"({goal[0]:.2f}), {width:.1f} hidden dimensions ({goal[1]:.1f}), and in a layer on average "
        f"{sum(others[:half]) / half:.2f} heads ({goal[2]:.2f}) and {sum(others[half:]) / half:.1f} units "
        f"({goal[-1]:.1f})."
    )


def _saved(source: Weight, sheared: Weight) -> str:
    share = sheared.parameters / source.parameters
    return (
        f"**{source.parameters:,} parameters become {sheared.parameters:,}** ({100 * share:.1f} %), "
        f"{source.memory:,} bytes in memory become {sheared.memory:,}, and {source.file:,} of a file in "
        f"bfloat16 {sheared.file:,}. A token takes {sheared.milliseconds:.1f} ms instead of "
        f"{source.milliseconds:.1f} ms, measured now on this machine, the two in turns."
    )


def _same(run: Shearing) -> str:
    if run.cut.apart is None:
        if "sheared" not in run.held_out:
            return ""
        shut, gone = run.held_out["masked_after_the_search"], run.held_out["sheared"]
        return f"With its gates shut (masked) the loss is {shut:.4f}, with the rows removed {gone:.4f}."
    return (
        "With the gates shut (masked) and with the rows removed (sheared) no logit differs by more than "
        f"**{run.cut.apart:.1e}**; the largest logit is {run.cut.reach:.1f}."
    )


def _compared(run: Shearing) -> str:
    ours, chance = run.held_out["sheared_and_trained"], run.held_out["from_scratch"]
    better = "lower" if ours < chance else "higher"
    return (
        f"After {run.training} steps of training the sheared model's loss is {ours:.3f}, "
        f"{abs(chance - ours):.3f} {better} than that of a model of its shape that began from scratch and "
        "saw the same batches."
    )


def table(held_out: Mapping[str, float], weights: tuple[Weight, ...], windows: int) -> str:
    """Losses and weights, as far as known, in Markdown; nothing where none is."""
    if not held_out:
        return ""
    lines = [
        f"Loss in nats per token on {windows} sequences of a book that no model saw:",
        "",
        "| model | loss | perplexity | parameters |",
        "|---|---|---|---|",
    ]
    for name, words in ROWS.items():
        if name in held_out:
            loss, whole = held_out[name], name in ("source", "masked_after_the_search")
            count = f"{weights[0 if whole else 1].parameters:,}" if weights else ""
            lines.append(f"| {words} | {loss:.3f} | {math.exp(loss):.2f} | {count} |")
    return "\n".join(lines)
