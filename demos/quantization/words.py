"""Runs -> the sentences of the page, with the numbers of this run."""

import math
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from demos.kit.blocks import Matrix
from demos.kit.saying import parted, percent, scored
from demos.kit.scores import Agreement, Score
from demos.kit.timing import Form
from demos.quantization.algorithm import QuantTrace
from demos.quantization.controls import Settings
from demos.quantization.number import Number
from demos.quantization.scheme import INT4_ABSMAX

RATIOS = {"two": 2, "eighteen": 18, "many": 256}  # of the errors, by the lesson's answers


@runtime_checkable
class Run(Protocol):
    """What the sentences need of `work.Seen`."""

    settings: Settings
    trace: QuantTrace
    matrix: Matrix
    largest: Tensor
    outliers: Tensor
    lost: float
    rms_of_int8: float
    read: int


def caption(seen: Run, shown: tuple[int, int]) -> str:
    """shown: cells of the maps, down and across."""
    trace, matrix = seen.trace, seen.matrix
    rows, columns = trace.codes.shape
    reached = int(seen.outliers.sum())
    lines = [
        f"**{matrix.name}**, {rows} × {columns} weights as **{trace.scheme.name}**: "
        f"**{trace.bits_per_weight:.3f} bits** of a weight with all that is stored, {trace.nbytes:,} bytes. "
        f"Signal to noise **{decibels(trace.snr_db)}**.",
        f"Of the power of this matrix's outputs {percent(seen.lost)} is lost, on {seen.read:,} inputs "
        "of the calibration text.",
    ]
    stay = " and stay in 16 bits" if trace.outliers is not None else ""
    limit, greatest = f"{seen.settings.threshold:g}", f"the largest input is {float(seen.largest.max()):.1f}."
    if reached:
        are = f"{reached} of {columns} input channels are outliers"
        lines.append(f"{are}: they reach {limit} somewhere{stay}; {greatest}")
    else:
        lines.append(f"None of the {columns} input channels reaches {limit}; {greatest}")
    if trace.searched is not None:
        best = min(trace.searched, key=lambda pair: pair[1])
        none = next(loss for r, loss in trace.searched if r == 0)
        lines.append(
            f"AWQ's search took the exponent r = {best[0]:g}: the outputs' error is "
            f"{best[1] / none if none else 1:.3f} of what it is without scaling (r = 0)."
        )
    if shown != (rows, columns):
        lines.append(
            f"Each of the maps' {shown[0]} × {shown[1]} cells shows the one weight in it whose error is "
            "greatest; zoom in for the others."
        )
    return " ".join(lines)


def formula(seen: Run, number: Number) -> str:
    """The formula with the numbers of one weight."""
    scheme, w, q, back = seen.trace.scheme, number.weight, number.code, number.back
    if math.isnan(number.scale):
        return (
            f"Row {number.row}, column {number.column}: $w={_tex(w)}$ lies between two floats of 16 bits; "
            f"the nearer one is $\\hat w={_tex(back)}$."
        )
    s = _tex(number.scale)
    lines = [f"Row {number.row}, column {number.column}, scale $s={s}$:"]
    if number.stretched != 1:
        lines.append(f"AWQ stretches the column: $w'={_tex(w)}\\cdot{_tex(number.stretched)}$")
        w, back = w * number.stretched, back * number.stretched
    if scheme.format == "absmax":
        lines += [
            f"$$q=\\mathrm{{round}}\\left(\\frac{{{_tex(w)}}}{{{s}}}\\right)={q}$$"
            if scheme.method != "gptq"
            else f"$$q={q}\\quad\\text{{(GPTQ: after the errors of the columns before)}}$$",
            f"$$\\hat w={s}\\cdot({q})={_tex(back)}$$",
        ]
    elif scheme.format == "zero-point":
        z = number.zero_point
        lines += [
            f"$$q=\\mathrm{{round}}\\left(\\frac{{{_tex(w)}}}{{{s}}}\\right)+{z}={q}$$",
            f"$$\\hat w={s}\\cdot({q}-{z})={_tex(back)}$$",
        ]
    else:
        level = back / number.scale if number.scale else 0.0
        lines += [
            f"$$q=\\arg\\min_i\\left|\\frac{{{_tex(w)}}}{{{s}}}-t_i\\right|={q}$$",
            f"$$t_{{{q}}}={level:.4f}$$",
            f"$$\\hat w={s}\\cdot{level:.4f}={_tex(back)}$$",
        ]
    return "\n\n".join(lines)


def outcome(seen: Run) -> tuple[str | None, str]:
    """What the lesson's question asks: how much larger the error is with int4 than with int8, both absmax."""
    if seen.trace.scheme != INT4_ABSMAX:
        return None, ""
    errors = seen.trace.rms, seen.rms_of_int8
    ratio = errors[0] / errors[1] if errors[1] else math.inf
    nearest = min(RATIOS, key=lambda name: abs(math.log(ratio / RATIOS[name])))
    return nearest, (
        f"The error's root mean square went from {errors[1]:.3g} to {errors[0]:.3g}, {ratio:.1f} times as "
        "large; the steps are 127 / 7 = 18.1 times as wide."
    )


def measured(
    score: Score | Agreement | None, bits: float | None, nbytes: int, others: int, done: bool
) -> str:
    """A whole model in few bits."""
    if bits is None:
        sizes = f"At full precision: {counted(others)}, which is all."
    else:
        sizes = f"Its matrices have **{bits:.3f} bits** of a weight, {nbytes / 1e6:.2f} MB in all"
        sizes += f"; at full precision: {counted(others)}." if others else "."
    if score is None:
        return f"{sizes} Not yet read."
    return f"{scored(score, done)} {sizes}"


def counted(matrices: int) -> str:
    return "1 matrix" if matrices == 1 else f"{matrices} matrices"


def noted(score: Score, schemes: Sequence[str]) -> str:
    """What the curve says of a point beside its numbers. schemes: of all matrices, as used."""
    lacking = sum("(per channel" in scheme for scheme in schemes)
    rows = f", {counted(lacking)} with a scale per row" if lacking else ""
    return f"KL {score.divergence:.3g} nats{rows}"


def fallbacks(schemes: Sequence[str]) -> str:
    """Which matrices could not have the groups that were asked for. schemes: of all matrices, as used."""
    lacking = [scheme for scheme in schemes if "(per channel" in scheme]
    if not lacking:
        return ""
    return (
        f" {counted(len(lacking))} with rows that the groups do not divide: one scale per row instead, "
        f"*{lacking[0]}*."
    )


def read(parting: tuple[int, str, str] | None, done: bool, name: str) -> str:
    """The two texts. parting: index, the full model's token, the changed one's. name: of the changed one."""
    return parted(parting, done, name, "bits")


def weighed(forms: Sequence[Form]) -> str:
    """What was measured of each form, as a table."""
    lines = ["| form | in memory | as a file | ms per token |", "|---|---|---|---|"]
    for form in forms:
        file = "" if form.file is None else f"{form.file / 1e6:.2f} MB"
        took = "" if form.milliseconds is None else f"{form.milliseconds:.2f}"
        left = f" ({form.left} matrices stay bfloat16)" if form.left else ""
        lines.append(f"| {form.name}{left} | {form.memory / 1e6:.2f} MB | {file} | {took} |")
    timed = {form.name: form.milliseconds for form in forms if form.milliseconds}
    if len(timed) > 1:
        fastest, slowest = min(timed, key=timed.get), max(timed, key=timed.get)
        lines.append(
            f"\nFastest here: **{fastest}**, slowest **{slowest}**, "
            f"{timed[slowest] / timed[fastest]:.1f} times its time."
        )
    eight, four = (timed.get(f"int{bits}, torch's kernel") for bits in (8, 4))
    if eight and four:
        why = (
            "it reads fewer bytes, and unpacks two codes of each" if four > eight else "it reads fewer bytes"
        )
        lines.append(
            f"The kernel of 4 bits takes {four / eight:.2f} times the time of that of 8: {why}. The less a "
            "model waits for its memory, the less fewer bytes help."
        )
    return "\n".join(lines)


def decibels(value: float) -> str:
    return "infinite: nothing is lost" if math.isinf(value) else f"{value:.2f} dB"


def _tex(value: float) -> str:
    return f"{value:.5g}" if abs(value) >= 1e-3 or value == 0 else _power(value)


def _power(value: float) -> str:
    mantissa, exponent = f"{value:.3e}".split("e")
    return f"{mantissa}\\cdot10^{{{int(exponent)}}}"


def worst(trace: QuantTrace) -> tuple[int, int]:
    """The entry whose error is greatest; where nothing is lost, the greatest weight."""
    values = trace.error.abs() if trace.error.any() else trace.weight.abs()
    place = int(torch.argmax(values))
    return divmod(place, trace.codes.shape[1])
