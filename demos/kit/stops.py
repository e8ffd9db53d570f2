"""Stop buttons: a run looks here before each pass of a model."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class StoppedError(Exception):
    """The visitor ended the run."""


class Check:
    """Called before each pass; raises StoppedError once it was set.

    In another process, where ZeroGPU runs a handler, it is a fresh one that nobody can set.
    """

    def __init__(self):
        self._flag = threading.Event()

    def __call__(self) -> None:
        if self._flag.is_set():
            raise StoppedError

    def __reduce__(self):
        return (Check, ())

    def set(self) -> None:
        self._flag.set()


class Stops:
    """The runs under way that can be stopped, by the session of their page.

    Gradio's `cancels` waits until the handler yields, which may be many passes later; a flag that is
    looked at before each pass frees the model within one.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._checks: dict[str, list[Check]] = {}

    @contextmanager
    def run(self, session: str) -> Iterator[Check]:
        """The check of a run of this session, which can be stopped until the block ends."""
        check = Check()
        with self._lock:
            self._checks.setdefault(session, []).append(check)
        try:
            yield check
        finally:
            with self._lock:
                self._checks[session].remove(check)
                if not self._checks[session]:
                    del self._checks[session]

    def running(self, session: str) -> bool:
        """Whether a run of this session is under way."""
        with self._lock:
            return session in self._checks

    def stop(self, session: str) -> None:
        """Ends the session's runs, each before its next pass; nothing where none is under way."""
        with self._lock:
            for check in self._checks.get(session, ()):
                check.set()
