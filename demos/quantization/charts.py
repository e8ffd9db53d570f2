"""Measurements -> the values of kit/curve.py's charts. Pure functions."""

import math
from collections.abc import Mapping, Sequence

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
        y = perplexity if math.isfinite(perplexity) else None
        families.setdefault(family(name), []).append({"x": bits, "y": y, "name": name, "note": note})
    return {
        "x": {"title": "bits of a weight, scales counted"},
        "y": {"title": "perplexity on held-out text", "log": True, "most": MOST * full if full else None},
        "lines": False,
        "series": [{"name": name, "points": of} for name, of in families.items()],
        "rules": [{"y": full, "text": f"full model: {full:.2f}"}] if full else [],
        "chosen": chosen,
        "told": told,
        "done": done,
    }


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
    series: dict[str, list[dict]] = {}
    rules = []
    for bits, keys, found in points:
        y = math.exp(found.loss)
        if bits in (0, 16):
            words = "without the cache" if bits == 0 else "cache of 16 bits"
            rules.append({"y": y, "text": f"{words}: {y:.2f}"})
            continue
        note = f"{found.nbytes / 1e6:.2f} MB of cache"
        point = {"x": bits, "y": y, "name": f"{bits} bits, {named[keys]}", "note": note}
        series.setdefault(named[keys], []).append(point)
    return _by_bits("bits of cached keys and values", series, rules, told, done)


def activations(points: Sequence[tuple[int, str, Score]], told: str, done: bool) -> dict:
    """The same for what the matrices read. points: (bits, per, Score)."""
    named = {"token": "a scale per position", "tensor": "one scale for all"}
    series: dict[str, list[dict]] = {}
    for bits, per, found in points:
        note = f"KL {found.divergence:.3g} nats"
        point = {"x": bits, "y": found.perplexity, "name": f"{bits} bits, {named[per]}", "note": note}
        series.setdefault(named[per], []).append(point)
    full = points[-1][2].full_perplexity if points else None
    rules = [{"y": full, "text": f"as they are: {full:.2f}"}] if full else []
    return _by_bits("bits of what the matrices read", series, rules, told, done)


def _by_bits(x: str, series: Mapping[str, list], rules: list, told: str, done: bool) -> dict:
    return {
        "x": {"title": x},
        "y": {"title": "perplexity", "log": False},
        "lines": True,
        "series": [{"name": name, "points": sorted(of, key=lambda p: p["x"])} for name, of in series.items()],
        "rules": rules,
        "chosen": None,
        "told": told,
        "done": done,
    }


def savings(forms: Sequence[Form]) -> dict:
    """Milliseconds of a token against bytes in memory, of those forms whose time was taken."""
    points = [
        {"x": form.memory / 1e6, "y": form.milliseconds, "name": form.name, "note": ""}
        for form in forms
        if form.milliseconds is not None
    ]
    return {
        "x": {"title": "weights in memory, MB"},
        "y": {"title": "ms per token", "log": False},
        "lines": False,
        "series": [{"name": point["name"], "points": [point]} for point in points],
        "rules": [],
        "chosen": None,
        "told": "",
        "done": True,
    }
