"""A run in words and numbers: caption, formula with its numbers, verdict."""

from torch import Tensor

from demos.vision_transformer.figures import Run, likeness

SAME = 1e-4  # probabilities that differ by less are the same but for rounding


def caption(run: Run, notices: tuple[str, ...], title: str) -> str:
    """Two to four sentences with this run's numbers, the notices about the input first."""
    trace = run.trace
    (rows, columns), n = trace.grid, len(trace.patches)
    height, width, channels = run.pixels.shape
    patch = height // rows
    layers, heads, S, _ = trace.attentions.shape
    extra = f" and {trace.registers} registers" if trace.registers else ""
    said = "".join(f"ℹ {line} " for line in notices)
    said += (
        f"{title} got {height} × {width} pixels, cut into {rows} × {columns} = **{n} patches** of "
        f"{patch}·{patch}·{channels} = {trace.patches.shape[1]} numbers. With CLS{extra} in front, "
        f"**{S} vectors** of {trace.sequence.shape[1]} numbers went through {layers} layers of {heads} heads "
        "each. "
    )
    return said + _answer(run)


def _answer(run: Run) -> str:
    if not run.labels:
        like = likeness(run.untouched, run.answer, run.labels)
        return (
            "This model has no classes; what CLS became has a cosine of "
            f"**{like:.3f}** with that of the untouched picture."
        )
    now, before = int(run.answer.argmax()), int(run.untouched.argmax())
    known = f"of the {len(run.labels)} classes that it knows"
    said = f"It says **{run.labels[now]}, {run.answer[now]:.0%}**, {known}"
    if _alike(run.answer, run.untouched):
        return said + "."
    return said + f"; of the untouched picture it said {run.labels[before]}, {run.untouched[before]:.0%}."


def _alike(a: Tensor, b: Tensor) -> bool:
    return float((a - b).abs().max()) < SAME


def formula(run: Run) -> str:
    """The lesson's formulas with this run's numbers put in."""
    trace = run.trace
    height, width, channels = run.pixels.shape
    P, D, PPC = height // trace.grid[0], trace.sequence.shape[1], trace.patches.shape[1]
    layers, heads, S, _ = trace.attentions.shape
    lines = [
        rf"$$x\in\mathbb{{R}}^{{{height}\times{width}\times{channels}}},\quad "
        rf"p_i\in\mathbb{{R}}^{{{P}\times{P}\times{channels}}}$$",
        rf"$$N=\frac{{{height}\cdot{width}}}{{{P}^2}}={len(trace.patches)}$$",
        rf"$$f(p_i)\in\mathbb{{R}}^{{{PPC}}},\quad W\in\mathbb{{R}}^{{{D}\times{PPC}}},\quad "
        rf"v_i^{{\mathrm{{pos}}}}\in\mathbb{{R}}^{{{D}}}$$",
        rf"$$S=1+{trace.registers}+{len(trace.patches)}={S}$$",
        rf"$$\text{{numbers in all }}A:\ {layers}\cdot{heads}\cdot{S}^2={layers * heads * S * S:,}$$".replace(
            ",", r"{,}"
        ).replace(r"\quad{,}", r"\quad,"),
    ]
    return "**With this run's numbers:**\n\n" + "\n\n".join(lines)


def outcome(run: Run, with_positions: bool, shuffled: bool) -> tuple[str | None, str]:
    """What this run says to the lesson's question: the right answer's key, and the evidence.

    The question is about a shuffle without positions; other runs say nothing.
    """
    if with_positions or not shuffled:
        return None, ""
    if run.labels:
        moved = float((run.answer - run.in_order).abs().max())
        evidence = f"Shuffling changed no probability by more than {moved:.1g}."
    else:
        moved = 1 - likeness(run.in_order, run.answer, run.labels)
        evidence = f"The cosine between CLS before and after the shuffle is {1 - moved:.6f}."
    return "none" if moved < SAME else "some" if moved < 0.1 else "all", evidence


UNTRAINED = "Not at all: the same layers with the weights they start with."
ABSENT = "Not on this machine; choose it as the model to download it."


def compared(model: str, how: str, answer: Tensor, run: Run) -> dict:
    """A line of the comparison: the three likeliest classes. run: by whose classes."""
    if not run.labels:
        return {"model": model, "how": how, "top": []}
    top = answer.topk(3)
    pairs = zip(top.indices.tolist(), top.values.tolist(), strict=True)
    return {"model": model, "how": how, "top": [[run.labels[i], p] for i, p in pairs]}


def explained(run: Run, target: int) -> str:
    """What a map of relevance is about."""
    return f"for {run.labels[target]} ({run.answer[target]:.0%})"
