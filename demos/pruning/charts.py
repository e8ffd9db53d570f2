"""Measurements -> the values of kit/curve.py's charts. Pure functions."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Protocol, runtime_checkable

from demos.kit.charting import chart, point, times
from demos.kit.scores import Score
from demos.pruning.controls import METHODS
from demos.pruning.controls import point as called

MOST = 20.0  # perplexity above this times the full model's is drawn at the edge
APART = 2.0  # the text has fallen apart where perplexity is above this times the full model's


@runtime_checkable
class Timed(Protocol):
    """What the chart needs of `trials.ModelForm`."""

    name: str
    nbytes: int
    milliseconds: float | None
    perplexity: float | None


@runtime_checkable
class Row(Protocol):
    """What the chart needs of `against.Row`."""

    name: str
    kind: str
    nbytes: int
    score: Score

    @property
    def bits(self) -> float: ...


def curve(points: Sequence[tuple[str, float, float, Score]], told: str, chosen: str, done: bool) -> dict:
    """Perplexity against sparsity. points: method, sparsity asked for, share cut, score."""
    series: dict[str, list[dict]] = {}
    for method, asked, share, score in points:
        note = f"KL {score.divergence:.3g} nats"
        at = point(100 * share, score.perplexity, called(method, asked), note)
        series.setdefault(METHODS[method], []).append(at)
    full = points[0][3].full_perplexity if points else None
    rules = {"full model": full, f"{APART:g} times that, the text falls apart": APART * full} if full else {}
    return chart(
        "% of the matrices' weights cut",
        "perplexity on held-out text",
        series,
        log=True,
        most=MOST * full if full else None,
        lines=True,
        rules=rules,
        chosen=chosen,
        told=told,
        done=done,
    )


def apart(points: Sequence[tuple[str, float, float, Score]]) -> dict[str, tuple[float, Score] | None]:
    """For each method the lowest sparsity measured at which the text has fallen apart, None where none."""
    found: dict[str, tuple[float, Score] | None] = {}
    for method, asked, _, score in sorted(points, key=lambda at: at[1]):
        found.setdefault(method, None)
        if found[method] is None and score.perplexity > APART * score.full_perplexity:
            found[method] = asked, score
    return found


def savings(forms: Sequence[Timed]) -> dict:
    """Milliseconds of a token against bytes, of those forms whose time was taken."""
    timed = [form for form in forms if form.milliseconds is not None]
    return times(
        "weights in 16 bits, MB",
        [point(form.nbytes / 1e6, form.milliseconds, form.name, _quality(form)) for form in timed],
    )


def _quality(form: Timed) -> str:
    return "" if form.perplexity is None else f"perplexity {form.perplexity:,.2f}"


KINDS = {"quantized": "quantized", "pruned": "pruned", "both": "both, at the same bytes"}


def equals(found: Mapping[str, Sequence[Row]], told: str, done: bool) -> dict:
    """Perplexity against bits of a weight, of the forms at equal bytes. found: scheme -> its forms."""
    series: dict[str, list[dict]] = {name: [] for name in KINDS.values()}
    full = None
    for row in chain.from_iterable(found.values()):
        full = row.score.full_perplexity
        if row.kind in KINDS:
            note = f"{row.nbytes / 1e6:.2f} MB, KL {row.score.divergence:.3g} nats"
            series[KINDS[row.kind]].append(point(row.bits, row.score.perplexity, row.name, note))
    return chart(
        "bits of a weight, masks and scales counted",
        "perplexity on held-out text",
        series,
        log=True,
        most=MOST * full if full else None,
        lines=True,
        rules={"full model": full} if full else {},
        told=told,
        done=done,
    )
