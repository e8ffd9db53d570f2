"""What a page's script asks of the server: a request is a dict, and so is the answer."""

import functools
from collections.abc import Callable

from demos.kit.inputs import InputError


def answering_script(handler: Callable[[dict], dict]) -> Callable[[dict], dict]:
    """The handler, which answers {"error": one sentence} for what the visitor or the request got wrong."""

    @functools.wraps(handler)
    def on_page(request: dict) -> dict:
        try:
            return handler(request)
        except ValueError as error:  # InputError is one
            return {"error": str(error)}

    return on_page


def field(request: object, name: str) -> object:
    """What a request says under a name. Raises InputError where it says nothing."""
    if not isinstance(request, dict) or name not in request:
        raise InputError(f"A request must say {name}; got {request!r:.80}.")
    return request[name]


def whole_numbers(request: object, name: str, count: int, what: str) -> list[int]:
    """So many whole numbers that a request says under a name. what: they are, for the InputError."""
    given = field(request, name)
    if not (isinstance(given, list) and len(given) == count and all(type(n) is int for n in given)):
        raise InputError(f"{what} is {count} whole numbers; got {given!r:.80}.")
    return given
