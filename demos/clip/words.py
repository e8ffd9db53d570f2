"""A run in words and numbers: caption, formula with its numbers, verdict."""

import math
from collections.abc import Sequence

import numpy as np

from demos.clip.algorithm import ContrastTrace, contrast_of

FEW, MANY = 4, 12  # pairs: what the lesson's question compares
_MARKS = frozenset("\\`*_{}[]()<>#+-!|~$&^=:")
SHOWN = 40  # letters of a visitor's text


def caption(trace: ContrastTrace, captions: tuple[str, ...], cut: list[str], model: str) -> str:
    """Two to four sentences with this run's numbers; first what was cut."""
    n = len(trace.logits)
    right = int((trace.logits.argmax(1) == trace.logits.new_tensor(range(n)).long()).sum())
    own = trace.along_rows.diagonal()
    worst = int(own.argmin())
    said = "".join(f"ℹ {plain(line)} " for line in cut)
    said += (
        f"{model} compared {n} pictures with {n} captions: {n * n} cosines, which exp(t) = "
        f"**{math.exp(trace.t):.1f}** multiplies. **{right} of {n}** pictures find their own caption. The "
        f"hardest is {quoted(captions[worst])}, with {own[worst]:.0%} of its row. "
    )
    chance = f"by chance it would be ln {n} = {math.log(n):.2f}"
    both = (trace.loss_images + trace.loss_texts) / 2
    said += f"The loss of rows is {trace.loss_images:.3f}, of columns {trace.loss_texts:.3f}, the mean "
    said += f"**{both:.3f}**; {chance}."
    if trace.bias is not None:
        said += f" This model was trained with a sigmoid for each pair; that loss is **{trace.loss:.3f}**."
    return said


def quoted(text: str) -> str:
    """The beginning of a visitor's text for a place in Markdown, none of it read as marks or tags."""
    return f"“{plain(text[:SHOWN])}{'…' if len(text) > SHOWN else ''}”"


def plain(text: str) -> str:
    """Text for a place in Markdown: whatever could be a mark or a tag, as its number."""
    return "".join(f"&#{ord(c)};" if c in _MARKS else c for c in text)


def cut_notices(captions: tuple[str, ...], tokens: Sequence[int], context: int) -> list[str]:
    """A sentence for each text that is longer than the model's context, as plain text."""
    return [
        f"“{text[:SHOWN]}…” has {count} tokens; the model reads {context}, so the rest was not read."
        for text, count in zip(captions, tokens, strict=True)
        if count > context
    ]


def formula(trace: ContrastTrace) -> str:
    """The lesson's formulas with this run's numbers put in."""
    n = len(trace.logits)
    lines = [
        rf"$$e^t=e^{{{trace.t:.4f}}}={math.exp(trace.t):.2f}$$",
        rf"$$\text{{first pair: }}e^t\cos={math.exp(trace.t):.2f}\cdot{float(trace.cosine[0, 0]):.4f}"
        + (
            rf"={float(trace.logits[0, 0]):.3f}$$"
            if trace.bias is None
            else rf"{trace.bias:+.2f}={float(trace.logits[0, 0]):.3f}$$"
        ),
        rf"$$\text{{its share of the row: }}{float(trace.along_rows[0, 0]):.4f}$$",
        rf"$$-\ln {float(trace.along_rows[0, 0]):.4f}={float(trace.losses_images[0]):.4f}$$",
        rf"$$\tfrac12({trace.loss_images:.4f}+{trace.loss_texts:.4f})="
        rf"{(trace.loss_images + trace.loss_texts) / 2:.4f}$$",
        rf"$$\text{{by chance: }}\ln {n}={math.log(n):.4f}$$",
    ]
    return "**With this run's numbers:**\n\n" + "\n\n".join(lines)


def contrast_on(maps: dict[str, np.ndarray], covered: np.ndarray) -> str:
    """For a drawing, whose thing is known: how far above the ground each map is on it, in its own spread."""
    on, off = covered > 0.7, covered < 0.1
    if on.sum() < 2 or off.sum() < 2:
        return ""
    told = [
        f"{name} {(part[on].mean() - part[off].mean()) / (part.std() or 1):+.2f}".replace("-", "−")
        for name, part in maps.items()
    ]
    inverted = maps["plain"][on].mean() < maps["plain"][off].mean()
    return (
        f"On the thing, above its ground, in standard deviations: {', '.join(told)}. "
        f"Here the plain map is {'' if inverted else 'not '}inverted."
    )


def outcome(trace: ContrastTrace) -> tuple[str | None, str]:
    """What this run says to the lesson's question: the right answer's key, and the evidence.

    The question follows the first few pairs into a larger collection; smaller ones say nothing.
    """
    n = len(trace.logits)
    if n < MANY:
        return None, ""
    few = contrast_of(trace.image_features[:FEW], trace.text_features[:FEW], trace.t, trace.bias)
    before = (few.loss_images + few.loss_texts) / 2
    now = float((trace.losses_images[:FEW].mean() + trace.losses_texts[:FEW].mean()) / 2)
    key = "same" if abs(now - before) < 1e-6 else "rises" if now > before else "falls"
    return key, (
        f"By themselves the first {FEW} pairs have a loss of {before:.3f}; among all {n} theirs is {now:.3f}."
    )
