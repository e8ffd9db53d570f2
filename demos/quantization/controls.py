"""The page's controls: what the widgets hold, checked. Nothing here loads torch: the app starts with it."""

from dataclasses import dataclass, replace

from demos.kit.inputs import InputError, check_choice, check_number, check_prompt, check_whole
from demos.kit.zoo import MODELS, ModelSpec
from demos.quantization.scheme import INT8_ABSMAX, SCHEMES, Scheme

# name -> its model; the pocket one is first.
CHOICES: dict[str, tuple[ModelSpec, ...]] = {
    MODELS[slug].title: (MODELS[slug],)
    for slug in (
        *("fairy-target", "fairy-draft", "smollm2-135m", "smollm2-360m", "qwen3-0.6b", "distilgpt2"),
        *("cifar-vit", "vit-tiny", "vit-base", "dinov2-registers-small"),
    )
}
POCKET = next(iter(CHOICES))
MATRIX = "model.layers.0.mlp.up_proj"
PROMPT = "Once upon a time there was a king who"
KEEP = "leave it at full precision"

# name -> label, lowest, highest, step, value at the start
RANGES = {
    "sequences": ("Calibration sequences", 1, 128, 1, 32),
    "threshold": ("Inputs from here are outliers (LLM.int8: 6)", 0, 20, 0.5, 6),
    "temperature": ("Temperature (0: greedy)", 0, 2, 0.05, 0),
    "seed": ("Seed", 0, 9999, 1, 1),
    "tokens": ("Tokens to write", 8, 200, 1, 60),
}
# What a click on the map of the model does.
SHOW, ASSIGN, SPARE = "Show that matrix", "Give it the scheme above", "Leave it at full precision"
CLICKS = (SHOW, ASSIGN, SPARE)
# Each thing to try: the stage it is about, and the settings that differ from the start; those of OWN stay as
# the visitor has them. In the order of the lesson's list.
OWN = ("model", "matrix", "sequences", "threshold", "prompt", "temperature", "seed", "tokens")
TRIES = ((2, {"scheme": "int4 absmax"}), (1, {"scheme": "NF4"}), (4, {"scheme": "GPTQ, int3"}))


@dataclass(frozen=True)
class Settings:
    """One matrix in one scheme; equal settings are one run. threshold: of outliers."""

    model: str
    scheme: str
    matrix: str
    sequences: int
    threshold: float


@dataclass(frozen=True)
class Plan:
    """A whole model: the scheme of all its matrices, and of those that have another one.

    others: (name of a matrix, name of a scheme or KEEP), sorted by name.
    """

    model: str
    scheme: str
    sequences: int
    threshold: float
    others: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Reading:
    """What is written by the full model and by the changed one."""

    prompt: str
    temperature: float
    seed: int
    tokens: int


def settings_of(model, scheme, matrix, sequences, threshold) -> Settings:
    """The widgets' values, checked. Raises InputError with what was expected and what came."""
    plan = plan_of(model, scheme, sequences, threshold, {})
    if not isinstance(matrix, str):
        raise InputError(f"The name of a matrix is expected; got {matrix!r:.80}.")
    return Settings(plan.model, plan.scheme, matrix, plan.sequences, plan.threshold)


def plan_of(model, scheme, sequences, threshold, others) -> Plan:
    """The same for a whole model. others: name of a matrix -> scheme or KEEP, from the page's map."""
    if not isinstance(others, dict):
        raise InputError(f"Schemes of single matrices are expected as a table; got {others!r:.80}.")
    names = (*SCHEMES, KEEP)
    checked = {str(name): check_choice("A matrix's scheme", its, names) for name, its in others.items()}
    return Plan(
        check_model(model),
        check_choice("The scheme", scheme, tuple(SCHEMES)),
        whole("sequences", sequences),
        number("threshold", threshold),
        tuple(sorted(checked.items())),
    )


def check_model(model: object) -> str:
    """The name of a model, if it is offered."""
    return check_choice("The model", model, tuple(CHOICES))


def others_of(shown: object) -> object:
    """The schemes of single matrices in the value of the page's map, which is None at first."""
    return shown.get("others", {}) if isinstance(shown, dict) else {}


def reading_of(prompt, temperature, seed, tokens) -> Reading:
    """The same for the texts. A temperature that is not 0 must not drive logits beyond all numbers."""
    checked, least = number("temperature", temperature), RANGES["temperature"][3]
    if 0 < checked < least:
        raise InputError(f"Temperature must be 0 or at least {least:g}; got {checked:g}.")
    return Reading(check_prompt(prompt), checked, whole("seed", seed), whole("tokens", tokens))


def scheme_of(name: str, threshold: float) -> Scheme:
    """The scheme of that name; where it keeps outlier columns, from this threshold on."""
    scheme = SCHEMES[name]
    return replace(scheme, threshold=threshold) if scheme.method == "outliers" else scheme


def start(**changes: object) -> dict[str, object]:
    """The page's settings by name, in its order, as they are at the start, but for the changes."""
    values = {"model": POCKET, "scheme": INT8_ABSMAX.name, "matrix": MATRIX, "prompt": PROMPT}
    return values | {name: given[4] for name, given in RANGES.items()} | changes


def number(name: str, value: object) -> float:
    """The value within the control's range."""
    label, low, high, _, _ = RANGES[name]
    return check_number(label.split(" (")[0], value, low, high)


def whole(name: str, value: object) -> int:
    """The same for a whole number. Raises InputError for a fraction."""
    label, low, high, _, _ = RANGES[name]
    return check_whole(label.split(" (")[0], value, low, high)
