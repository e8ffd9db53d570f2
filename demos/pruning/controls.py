"""The page's controls: what the widgets hold, checked. Nothing here loads torch: the app starts with it."""

from dataclasses import dataclass

from demos.kit.compressing import POCKET, PROMPT, READING, SEQUENCES, check_model, number, whole
from demos.kit.inputs import InputError, check_choice

MATRIX = "model.layers.0.self_attn.q_proj"

# what algorithm.py calls it -> what the page does
METHODS = {"magnitude": "Magnitude", "random": "Random", "wanda": "Wanda", "sparsegpt": "SparseGPT"}
PATTERNS = {
    "unstructured": "Single weights (unstructured)",
    "2:4": "2 of every 4 stay (2:4)",
    "4:8": "4 of every 8 stay (4:8)",
    "rows": "Whole rows",
    "heads": "Whole heads",
    "units": "Whole MLP units",
}
FIXED = {"2:4": 0.5, "4:8": 0.5}  # patterns that leave no choice of the sparsity

# scheme of demos/quantization -> the scheme of the codes that are left where weights are cut as well
RIVALS = {
    "int8 absmax": "int8 absmax",
    "int4 absmax": "int8 absmax",
    "GPTQ, int4": "int8 absmax",
    "NF4": "int8 absmax",
    "int3 absmax": "int4 absmax",
    "GPTQ, int3": "int4 absmax",
    "int2 absmax": "int4 absmax",
}
RIVAL = "int4 absmax"
WIDTHS = ("int8 absmax", "int4 absmax", "int3 absmax", "int2 absmax")

# name -> label, lowest, highest, step, value at the start
RANGES = {
    "sparsity": ("Sparsity (%)", 0, 100, 1, 30),
    "sequences": SEQUENCES,
    **READING,
}
# What a click on the map of the model does.
SHOW, ASSIGN, SPARE = "Show that matrix", "Give its layer the sparsity above", "Leave its layer uncut"
CLICKS = (SHOW, ASSIGN, SPARE)
# Each thing to try: the stage it is about, and the settings that differ from the start; those of OWN stay as
# the visitor has them. In the order of the lesson's list.
OWN = ("model", "matrix", "sequences", "prompt", "temperature", "seed", "tokens", "rival")
TRIES = (
    (4, {"sparsity": 50}),
    (1, {"method": "wanda", "sparsity": 70}),
    (2, {"pattern": "heads", "sparsity": 25}),
)


@dataclass(frozen=True)
class Settings:
    """One matrix, pruned; equal settings are one run. sparsity: a share, 0 to 1."""

    model: str
    method: str
    pattern: str
    sparsity: float
    matrix: str
    sequences: int


@dataclass(frozen=True)
class Plan:
    """A whole model: the sparsity of all its layers, and of those that have another one.

    others: (number of a layer, its sparsity), sorted.
    """

    model: str
    method: str
    pattern: str
    sparsity: float
    sequences: int
    others: tuple[tuple[int, float], ...] = ()


def settings_of(model, method, pattern, sparsity, matrix, sequences) -> Settings:
    """The widgets' values, checked. Raises InputError with what was expected and what came."""
    plan = plan_of(model, method, pattern, sparsity, sequences, {})
    if not isinstance(matrix, str):
        raise InputError(f"The name of a matrix is expected; got {matrix!r:.80}.")
    return Settings(plan.model, plan.method, plan.pattern, plan.sparsity, matrix, plan.sequences)


def plan_of(model, method, pattern, sparsity, sequences, others) -> Plan:
    """The same for a whole model. others: number of a layer -> % to cut, from the page's map.

    A pattern of FIXED has its own sparsity, whatever the slider says.
    """
    if not isinstance(others, dict):
        raise InputError(f"The sparsities of single layers are expected as a table; got {others!r:.80}.")
    checked = {_layer(name): number(RANGES["sparsity"], its) / 100 for name, its in others.items()}
    pattern = check_choice("The pattern", pattern, tuple(PATTERNS))
    share = number(RANGES["sparsity"], sparsity) / 100
    return Plan(
        check_model(model),
        check_choice("The method", method, tuple(METHODS)),
        pattern,
        FIXED.get(pattern, share),
        whole(RANGES["sequences"], sequences),
        tuple(sorted(checked.items())),
    )


def _layer(name: object) -> int:
    if not str(name).isdecimal():
        raise InputError(f"The number of a layer is expected; got {name!r:.80}.")
    return int(str(name))


def rival_of(name: object) -> str:
    """The scheme that pruning is compared with."""
    return check_choice("The scheme", name, tuple(RIVALS))


def point(method: str, sparsity: float) -> str:
    """What a point of the curve is called."""
    return f"{METHODS[method]}, {100 * sparsity:.4g} %"


def start(**changes: object) -> dict[str, object]:
    """The page's settings by name, in its order, as they are at the start, but for the changes."""
    values = {"model": POCKET, "method": "magnitude", "pattern": "unstructured"}
    values |= {"sparsity": RANGES["sparsity"][4], "matrix": MATRIX, "sequences": RANGES["sequences"][4]}
    values |= {"prompt": PROMPT} | {name: RANGES[name][4] for name in ("temperature", "seed", "tokens")}
    return values | {"rival": RIVAL} | changes
