"""Around the passes of a model: its threads, a sentence where memory runs out, and when to show a state."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from demos.kit.hub import LoadError
from demos.kit.zoo import ModelSpec

SMALL = 20_000_000  # parameters
PAUSE = 0.05  # seconds
T = TypeVar("T")


@contextmanager
def threads_for(spec: ModelSpec) -> Iterator[None]:
    """As many threads as a model of this size can use.

    A pass of a few million weights is over before a second thread has begun, and on a machine that does
    other things too it then waits for that thread.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1 if spec.parameters < SMALL else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def memory_for(spec: ModelSpec) -> Iterator[None]:
    """Turns memory that runs out in a pass into a LoadError, once the models are given back."""
    try:
        yield
    except torch.OutOfMemoryError:
        full = True
    else:
        full = False
    if full:
        if torch.accelerator.is_available():
            torch.accelerator.empty_cache()
        raise LoadError(f"The memory for the passes of {spec.title} was expected to suffice; it ran out.")


def on_threads(spec: ModelSpec, steps: Iterator[T]) -> Iterator[T]:
    """The steps, each made on as many threads as a model of this size can use."""
    while True:
        with threads_for(spec):
            try:
                step = next(steps)
            except StopIteration:
                return
        yield step


def now_and_then(states: Iterator[T]) -> Iterator[T]:
    """The first state, and then one each PAUSE seconds: more than the eye needs would only cost time."""
    last = 0.0
    for state in states:
        if time.monotonic() - last >= PAUSE:
            yield state
            last = time.monotonic()


def to_the_last(states: Iterator[T], pause: float | None = None) -> Iterator[T]:
    """The same each `pause` seconds, or PAUSE, and the last state whenever it comes."""
    pause = PAUSE if pause is None else pause
    last = -pause
    waiting: list[T] = []
    for state in states:
        waiting = [state]
        if time.monotonic() - last >= pause:
            yield waiting.pop()
            last = time.monotonic()
    yield from waiting
