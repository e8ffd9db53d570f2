"""Stop buttons: a run looks here before each pass of a model."""

import threading
from collections import OrderedDict


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

    def __init__(self, most: int = 1000):
        self._most, self._lock = most, threading.Lock()
        self._checks: OrderedDict[str, Check] = OrderedDict()

    def begin(self, session: str) -> Check:
        """The check of a new run of this session."""
        check = Check()
        with self._lock:
            self._checks[session] = check
            self._checks.move_to_end(session)
            while len(self._checks) > self._most:
                self._checks.popitem(last=False)
        return check

    def stop(self, session: str) -> None:
        """Ends the session's newest run before its next pass; nothing where none is under way."""
        with self._lock:
            check = self._checks.get(session)
        if check:
            check.set()
