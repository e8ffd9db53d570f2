"""Measurements -> the values of kit/curve.py's charts. Pure functions."""

import math
from collections.abc import Mapping, Sequence

from demos.kit.charting import chart, point, times
from demos.kit.scores import Score
from demos.kit.timing import Form
from demos.quantization.cached import Recalled

MOST = 1.3  # perplexity above this times the full model's is drawn at the edge


def curve(
    points: Mapping[str, tuple[float, float, str]], full: float | None, told: str, chosen: str, done: bool
) -> dict:
    """Perplexity against bits. points: scheme -> bits of a weight, perplexity, a note; full: of the model."""
    families: dict[str, list[dict]] = {}
    for name, (bits, perplexity, note) in points.items():
        families.setdefault(family(name), []).append(point(bits, perplexity, name, note))
    return chart(
        "bits of a weight, scales counted",
        "perplexity on held-out text",
        families,
        log=True,
        most=MOST * full if full else None,
        rules={"full model": full} if full else {},
        chosen=chosen,
        told=told,
        done=done,
    )


def family(scheme: str) -> str:
    """The kind of scheme by its name, as the curve tells them apart."""
    if scheme.startswith(("GPTQ", "AWQ")):
        return scheme.split(",")[0]
    if scheme.startswith(("float16", "bfloat16")):
        return "16-bit floats"
    if scheme.startswith("int"):
        return "integers, groups" if "groups" in scheme else "integers"
    return "LLM.int8" if scheme == "LLM.int8" else "4-bit tables"


def caches(points: Sequence[tuple[int, str, Recalled]], told: str, done: bool) -> dict:
    """Perplexity against bits of cached keys and values. points: (bits, keys per, Recalled)."""
    named = {"token": "keys per position", "channel": "keys per channel"}
    beside = {0: "without the cache", 16: "cache of 16 bits"}
    series: dict[str, list[dict]] = {}
    rules = {beside[bits]: math.exp(found.loss) for bits, _, found in points if bits in beside}
    for bits, keys, found in points:
        if bits not in beside:
            name, note = f"{bits} bits, {named[keys]}", f"{found.nbytes / 1e6:.2f} MB of cache"
            series.setdefault(named[keys], []).append(point(bits, math.exp(found.loss), name, note))
    return _by_bits("bits of cached keys and values", series, rules, told, done)


def activations(points: Sequence[tuple[int, str, Score]], told: str, done: bool) -> dict:
    """The same for what the matrices read. points: (bits, per, Score)."""
    named = {"token": "a scale per position", "tensor": "one scale for all"}
    series: dict[str, list[dict]] = {}
    for bits, per, found in points:
        name, note = f"{bits} bits, {named[per]}", f"KL {found.divergence:.3g} nats"
        series.setdefault(named[per], []).append(point(bits, found.perplexity, name, note))
    rules = {"as they are": points[-1][2].full_perplexity} if points else {}
    return _by_bits("bits of what the matrices read", series, rules, told, done)


def _by_bits(x: str, series: Mapping[str, list], rules: Mapping[str, float], told: str, done: bool) -> dict:
    ordered = {name: sorted(points, key=lambda at: at["x"]) for name, points in series.items()}
    return chart(x, "perplexity", ordered, lines=True, rules=rules, told=told, done=done)


def savings(forms: Sequence[Form]) -> dict:
    """Milliseconds of a token against bytes in memory, of those forms whose time was taken."""
    timed = [form for form in forms if form.milliseconds is not None]
    return times(
        "weights in memory, MB", [point(form.memory / 1e6, form.milliseconds, form.name) for form in timed]
    )
