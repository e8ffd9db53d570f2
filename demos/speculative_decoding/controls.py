"""The page's controls: what the widgets hold, checked. Nothing here loads torch: the app starts with it."""

from dataclasses import dataclass

from demos.kit.inputs import InputError, check_choice, check_number, check_prompt, check_whole
from demos.kit.zoo import MODELS, ModelSpec
from demos.kit.zoo import PAIRS as ZOO_PAIRS

DRAFT, LOOKUP, ORACLE = "The draft model", "Prompt lookup, no model", "The target itself"
SOURCES = (DRAFT, LOOKUP, ORACLE)
# name -> draft and target. The pocket pair is first.
PAIRS: dict[str, tuple[ModelSpec, ModelSpec]] = {
    f"{MODELS[pair.draft].title} → {MODELS[pair.target].title}": (MODELS[pair.draft], MODELS[pair.target])
    for pair in ZOO_PAIRS
}
POCKET_PAIR = next(iter(PAIRS))

# name -> lowest, highest, step, value at the start
RANGES = {
    "draft_length": (1, 8, 1, 4),
    "temperature": (0, 2, 0.05, 0.7),
    "top_k": (0, 100, 1, 0),
    "top_p": (0.05, 1, 0.05, 1),
    "seed": (0, 9999, 1, 1),
    "tokens": (8, 200, 1, 48),
    "samples": (1000, 100_000, 1000, 20_000),
}
LABELS = {
    "draft_length": "Draft length K",
    "temperature": "Temperature (0: greedy)",
    "top_k": "Top-k (0: all)",
    "top_p": "Top-p",
    "seed": "Seed",
    "tokens": "Tokens to write",
    "samples": "Samples under each rule",
}
PROMPT = "Once upon a time there was a king who"
# Each thing to try: the stage it is about, and the settings that differ from the start; those of OWN stay
# as the visitor has them. In the order of the lesson's list.
OWN = ("prompt", "pair", "seed", "tokens")
TRIES = ((3, {"source": ORACLE}), (3, {"temperature": 0}), (4, {"draft_length": 8}))


@dataclass(frozen=True)
class Settings:
    """What one run is asked for; equal settings are one run."""

    prompt: str
    pair: str
    source: str
    draft_length: int
    temperature: float
    top_k: int
    top_p: float
    seed: int
    tokens: int


@dataclass(frozen=True)
class CourtSettings:
    """What one hearing is asked for."""

    prompt: str
    pair: str
    temperature: float
    top_k: int
    top_p: float
    seed: int
    samples: int


def settings_of(prompt, pair, source, draft_length, temperature, top_k, top_p, seed, tokens) -> Settings:
    """The widgets' values, checked. Raises InputError with what was expected and what came."""
    return Settings(
        check_prompt(prompt),
        check_choice("The pair of models", pair, tuple(PAIRS)),
        check_choice("The source of drafts", source, SOURCES),
        whole("draft_length", draft_length),
        check_temperature(temperature),
        whole("top_k", top_k),
        number("top_p", top_p),
        whole("seed", seed),
        whole("tokens", tokens),
    )


def court_settings_of(prompt, pair, temperature, top_k, top_p, seed, samples) -> CourtSettings:
    """The same for the court. Temperature 0 is refused: a law of one token has no samples to compare."""
    if check_temperature(temperature) == 0:
        raise InputError("The court needs a temperature above 0; got 0, where p is one single token.")
    return CourtSettings(
        check_prompt(prompt),
        check_choice("The pair of models", pair, tuple(PAIRS)),
        check_temperature(temperature),
        whole("top_k", top_k),
        number("top_p", top_p),
        whole("seed", seed),
        whole("samples", samples),
    )


def start(**changes: object) -> dict[str, object]:
    """The page's settings by name, in its order, as they are at the start, but for the changes."""
    values = {"prompt": PROMPT, "pair": POCKET_PAIR, "source": DRAFT}
    values |= {name: RANGES[name][3] for name in RANGES if name != "samples"}
    return values | changes


def check_temperature(value: object) -> float:
    """0, or what does not drive the logits beyond the numbers there are."""
    checked, least = number("temperature", value), RANGES["temperature"][2]
    if 0 < checked < least:
        raise InputError(f"Temperature must be 0 or at least {least:g}; got {checked:g}.")
    return checked


def number(name: str, value: object) -> float:
    """The value within the control's range."""
    low, high, _, _ = RANGES[name]
    return check_number(LABELS[name].split(" (")[0], value, low, high)


def whole(name: str, value: object) -> int:
    """The same for a whole number. Raises InputError for a fraction."""
    low, high, _, _ = RANGES[name]
    return check_whole(LABELS[name].split(" (")[0], value, low, high)
