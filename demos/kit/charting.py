"""The value of kit/curve.py's chart, from points by series."""

import math
from collections.abc import Mapping, Sequence


def point(x: float, y: float, name: str, note: str = "") -> dict:
    """A point of the chart; an infinite y has no place on it, and is drawn at the edge."""
    return {"x": x, "y": y if math.isfinite(y) else None, "name": name, "note": note}


def chart(
    x: str,
    y: str,
    series: Mapping[str, Sequence[dict]],
    *,
    log: bool = False,
    most: float | None = None,
    lines: bool = False,
    rules: Mapping[str, float] | None = None,
    chosen: str | None = None,
    told: str = "",
    done: bool = True,
) -> dict:
    """x, y: the axes' titles. series: name -> its points. log: of y, where what lies above `most` is drawn at
    the edge. rules: words -> the level that they name; its number is put behind them."""
    return {
        "x": {"title": x},
        "y": {"title": y, "log": log, "most": most},
        "lines": lines,
        "series": [{"name": name, "points": list(points)} for name, points in series.items()],
        "rules": [{"y": level, "text": f"{words}: {level:.2f}"} for words, level in (rules or {}).items()],
        "chosen": chosen,
        "told": told,
        "done": done,
    }


def times(x: str, points: Sequence[dict]) -> dict:
    """Milliseconds of a token of each form, against what x says."""
    return chart(x, "ms per token", {at["name"]: [at] for at in points})
