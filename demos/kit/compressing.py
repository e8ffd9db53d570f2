"""What quantization and pruning ask of the visitor alike. No torch here: the app starts with it."""

from dataclasses import dataclass

from demos.kit.inputs import InputError, check_choice, check_number, check_prompt, check_whole
from demos.kit.zoo import MODELS, TEXT, ModelSpec

# name -> its model; the pocket one is first.
CHOICES: dict[str, tuple[ModelSpec, ...]] = {
    MODELS[slug].title: (MODELS[slug],)
    for slug in (
        *("fairy-target", "fairy-draft", "smollm2-135m", "smollm2-360m", "qwen3-0.6b", "distilgpt2"),
        *("cifar-vit", "vit-tiny", "vit-base"),
    )
}
POCKET = next(iter(CHOICES))
PROMPT = "Once upon a time there was a king who"
# name -> label, lowest, highest, step, value at the start
SEQUENCES = ("Calibration sequences", 1, 128, 1, 32)
READING = {
    "temperature": ("Temperature (0: greedy)", 0, 2, 0.05, 0),
    "seed": ("Seed", 0, 9999, 1, 1),
    "tokens": ("Tokens to write", 8, 200, 1, 60),
}
Given = tuple[str, float, float, float, float]


@dataclass(frozen=True)
class Reading:
    """What is written by the full model and by the changed one."""

    prompt: str
    temperature: float
    seed: int
    tokens: int


def reading_of(prompt, temperature, seed, tokens) -> Reading:
    """The widgets' values, checked. A temperature that is not 0 must not drive logits beyond all numbers."""
    checked, least = number(READING["temperature"], temperature), READING["temperature"][3]
    if 0 < checked < least:
        raise InputError(f"Temperature must be 0 or at least {least:g}; got {checked:g}.")
    rest = whole(READING["seed"], seed), whole(READING["tokens"], tokens)
    return Reading(check_prompt(prompt), checked, *rest)


def check_model(model: object) -> str:
    """The name of a model, if it is offered."""
    return check_choice("The model", model, tuple(CHOICES))


def writer(model: str) -> ModelSpec:
    """The model, if it is one of language. Raises InputError for a model of pictures."""
    spec = CHOICES[model][0]
    if spec.tasks != TEXT:
        raise InputError(f"A language model is expected here; {model} looks at pictures.")
    return spec


def others_of(shown: object) -> object:
    """What single cells of the page's map have been given, from its value, which is None at first."""
    return shown.get("others", {}) if isinstance(shown, dict) else {}


def number(given: Given, value: object) -> float:
    """The value within the control's range."""
    label, low, high, _, _ = given
    return check_number(label.split(" (")[0], value, low, high)


def whole(given: Given, value: object) -> int:
    """The same for a whole number. Raises InputError for a fraction."""
    label, low, high, _, _ = given
    return check_whole(label.split(" (")[0], value, low, high)
