"""Interleaved timing: what is compared runs in turn, so that a machine that slows down slows all."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table. ours, theirs: medians in `unit`; goal: the ratio that is asked for."""

    what: str
    against: str
    ours: float
    theirs: float
    unit: str
    goal: float | None = None

    @property
    def ratio(self) -> float:
        return self.ours / self.theirs

    def __str__(self) -> str:
        goal = "" if self.goal is None else f"at most {self.goal:g}"
        kept = "" if self.goal is None else ("kept" if self.ratio <= self.goal else "MISSED")
        return (
            f"{self.what:<44} {self.against:<44} {self.ours:9.2f} {self.theirs:9.2f} {self.unit:<3} "
            f"{self.ratio:6.2f} {goal:<12} {kept}"
        )


HEAD = f"{'what':<44} {'against':<44} {'ours':>9} {'theirs':>9} {'':<3} {'ratio':>6} {'goal':<12}"


def interleaved(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median milliseconds of each call, run in turn `rounds` times after one uncounted round."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for n in range(rounds + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if n:
                times[name].append((time.perf_counter() - start) * 1000)
    return {name: statistics.median(values) for name, values in times.items()}
