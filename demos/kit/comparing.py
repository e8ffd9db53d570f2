"""Two texts of kit/pairs.py -> the value of kit/reading.py's component."""

from typing import Protocol, runtime_checkable

from demos.kit.pairs import Pair


@runtime_checkable
class Written(Protocol):
    """words: token -> text, of all tokens that the pair names."""

    pair: Pair
    words: dict[int, str]
    prompt: str


def reading_value(written: Written, names: tuple[str, str]) -> dict:
    """What reading_view shows. names: of the full model, of the changed one."""
    pair, words = written.pair, written.words
    sides = [
        {"name": name, "tokens": [{"text": words[token], "p": p} for token, p in side]}
        for name, side in zip(names, (pair.full, pair.changed), strict=True)
    ]
    return {
        "prompt": written.prompt,
        "sides": sides,
        "parts": None if pair.parting is None else pair.parting.index,
        "laws": _laws(written),
        "done": pair.done,
    }


def parting_words(written: Written) -> tuple[int, str, str] | None:
    """Where the texts part, and the token that each took there."""
    parting = written.pair.parting
    if parting is None:
        return None
    one, other = parting.taken
    return parting.index, written.words[one], written.words[other]


def _laws(written: Written) -> dict | None:
    parting, words = written.pair.parting, written.words
    if parting is None:
        return None
    before = [words[token] for token, _ in written.pair.full[: parting.index]]
    rows = [
        {"token": words[token], "p": [p, q]}
        for token, p, q in zip(parting.tokens, parting.p, parting.q, strict=True)
    ]
    return {
        "after": "".join(before[-8:]) or written.prompt[-40:],
        "rows": rows,
        "rest": [max(0.0, 1 - sum(parting.p)), max(0.0, 1 - sum(parting.q))],
        "taken": [words[token] for token in parting.taken],
    }
