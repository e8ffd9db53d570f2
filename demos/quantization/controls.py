"""The page's controls: what the widgets hold, checked. Nothing here loads torch: the app starts with it."""

from dataclasses import dataclass, replace

from demos.kit.compressing import POCKET, PROMPT, READING, SEQUENCES, check_model, number, whole
from demos.kit.inputs import InputError, check_choice
from demos.quantization.scheme import INT8_ABSMAX, SCHEMES, Scheme

MATRIX = "model.layers.0.mlp.up_proj"
KEEP = "leave it at full precision"

# name -> label, lowest, highest, step, value at the start
RANGES = {
    "sequences": SEQUENCES,
    "threshold": ("Inputs from here are outliers (LLM.int8: 6)", 0, 20, 0.5, 6),
    **READING,
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
        whole(RANGES["sequences"], sequences),
        number(RANGES["threshold"], threshold),
        tuple(sorted(checked.items())),
    )


def scheme_of(name: str, threshold: float) -> Scheme:
    """The scheme of that name; where it keeps outlier columns, from this threshold on."""
    scheme = SCHEMES[name]
    return replace(scheme, threshold=threshold) if scheme.method == "outliers" else scheme


def start(**changes: object) -> dict[str, object]:
    """The page's settings by name, in its order, as they are at the start, but for the changes."""
    values = {"model": POCKET, "scheme": INT8_ABSMAX.name, "matrix": MATRIX, "prompt": PROMPT}
    return values | {name: given[4] for name, given in RANGES.items()} | changes
