"""Finished runs, kept on the server so that a page can ask for more of them without a second run.

One shelf holds the runs of all visitors, so that a hundred who click the same example cause one run.
The page holds the run's key, which nobody can guess; nothing of a visitor is kept in the page's session.
"""

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from demos.kit.inputs import InputError

T = TypeVar("T")


@dataclass
class _Place(Generic[T]):
    lock: threading.Lock = field(default_factory=threading.Lock)
    run: T | None = None
    size: int = 0
    used: float = 0.0


class Runs(Generic[T]):
    """A bounded shelf of runs, single flight: equal requests at the same time run once.

    max_bytes: what the runs may weigh together; the least recently used go first.
    seconds: how long a run is kept after it was last used.
    size: a run's weight in bytes.
    """

    def __init__(
        self,
        max_bytes: int,
        seconds: float,
        size: Callable[[T], int],
        clock: Callable[[], float] = time.monotonic,
    ):
        self.max_bytes, self.seconds, self._size, self._clock = max_bytes, seconds, size, clock
        self._lock = threading.Lock()
        self._places: OrderedDict[str, _Place[T]] = OrderedDict()
        self._salt = secrets.token_bytes(32)

    def run(self, inputs: Hashable, make: Callable[[], T]) -> tuple[str, T]:
        """The run of these plain inputs and its key; made now if it is not on the shelf.

        `inputs` is compared by its `repr`, so it must be built of numbers, strings and frozen
        dataclasses. An error of `make` goes to the caller, and nothing is kept.
        """
        *_, (key, run) = self.stream(inputs, lambda: iter([make()]))
        return key, run

    def stream(self, inputs: Hashable, make: Callable[[], Iterator[T]]) -> Iterator[tuple[str, T]]:
        """`run` for a run that is shown as it grows: yields its key with each state that `make` yields.

        The last state is kept, and is all that later visitors get; those who ask while it grows wait
        for it. A run that ends in an error, or that nobody listens to any more, is not kept.
        """
        key = hashlib.sha256(self._salt + repr(inputs).encode()).hexdigest()
        with self._lock:
            self._drop_old()
            place = self._places.setdefault(key, _Place())
            self._places.move_to_end(key)
            place.used = self._clock()
        with place.lock:
            if place.run is None:
                try:
                    for run in make():
                        yield key, run
                    place.run = run
                finally:
                    if place.run is None:
                        self._forget(key, place)
                with self._lock:
                    place.size, place.used = self._size(place.run), self._clock()
                    self._places[key] = place  # it may have been dropped while it ran
                    self._shrink(keep=key)
                return
            run = place.run
        yield key, run

    def find(self, key: object) -> T:
        """The run with this key. Raises InputError for what is no key, and where it is no longer kept."""
        if not isinstance(key, str):
            raise InputError(f"The key of a run is expected; got {key!r:.80}.")
        with self._lock:
            self._drop_old()
            place = self._places.get(key)
            if place is None or place.run is None:
                raise InputError(
                    f"This run is no longer kept (runs are kept for {self.seconds / 60:g} minutes "
                    "after their last use); change any control to run again."
                )
            self._places.move_to_end(key)
            place.used = self._clock()
            return place.run

    @property
    def nbytes(self) -> int:
        """Bytes on the shelf."""
        with self._lock:
            return sum(place.size for place in self._places.values())

    def _forget(self, key: str, place: _Place[T]) -> None:
        with self._lock:
            if self._places.get(key) is place:
                del self._places[key]

    def _drop_old(self) -> None:
        now = self._clock()
        old = [k for k, p in self._places.items() if p.run is not None and now - p.used > self.seconds]
        for key in old:
            del self._places[key]

    def _shrink(self, keep: str) -> None:
        total = sum(place.size for place in self._places.values())
        for key in list(self._places):
            if total <= self.max_bytes:
                break
            if key != keep and self._places[key].run is not None:
                total -= self._places.pop(key).size
