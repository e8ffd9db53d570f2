"""What was weighed and compared -> tables and sentences, with the numbers of this run."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor

from demos.kit.saying import percent, perplexity
from demos.kit.scores import Score


@runtime_checkable
class MatrixForm(Protocol):
    """What the table needs of `trials.MatrixForm`."""

    name: str
    nbytes: int
    shape: tuple[int, int]
    milliseconds: float | None


@runtime_checkable
class ModelForm(Protocol):
    """What it needs of `trials.ModelForm`."""

    name: str
    nbytes: int
    file: int
    parameters: int
    milliseconds: float | None
    perplexity: float | None


@runtime_checkable
class Form(Protocol):
    """What the sentences need of `against.Form`."""

    weight: Tensor
    nbytes: int
    sparsity: float
    lost: float


@runtime_checkable
class Equal(Protocol):
    """What they need of `against.Equal`."""

    scheme: str
    finer: str
    weight: Tensor
    quantized: Form
    pruned: Form
    both: Form


@runtime_checkable
class Row(Protocol):
    """What the table needs of `against.Row`."""

    name: str
    kind: str
    nbytes: int
    sparsity: float
    score: Score

    @property
    def bits(self) -> float: ...


# pattern -> what it saves, and where
SAVES = {
    "unstructured": "Zeros at any place: bytes only where they are left out, no time in a dense product",
    "2:4": "2:4: bytes everywhere, and time only on sparse tensor cores (NVIDIA Ampere and later)",
    "4:8": "4:8: bytes as a bitmask, and no time on today's machines, whose sparse cores read 2:4",
    "rows": "Whole rows: bytes and time everywhere, once they are taken out",
    "heads": "Whole heads: bytes and time everywhere, once they are taken out of q, k, v and o",
    "units": "Whole units: bytes and time everywhere, once they are taken out of gate, up and down",
}


def matrix_table(forms: Sequence[MatrixForm], name: str, pattern: str, device: str) -> str:
    """The forms of one matrix, pruned in this pattern. device: what the products ran on."""
    dense = forms[0]
    lines = [
        f"**{name}**, weights in bfloat16; times in float32 on the {device}, of a product with one vector:\n",
        "| form | numbers | bytes | of dense | ms |",
        "|---|---|---|---|---|",
    ]
    for form in forms:
        took = "" if form.milliseconds is None else f"{form.milliseconds:.4f}"
        rows, columns = form.shape
        share = percent(form.nbytes / dense.nbytes)
        lines.append(f"| {form.name} | {rows} × {columns} | {form.nbytes:,} | {share} | {took} |")
    times = {form.name: form.milliseconds for form in forms}
    if dense.milliseconds and times.get("CSR"):
        ratio = times["CSR"] / dense.milliseconds
        lines.append(
            f"\nThe CSR product took {ratio:.2f} times as long as the dense one, zeros and all: it jumps "
            "through memory from weight to weight."
            if ratio >= 1
            else f"\nThe CSR product took {ratio:.2f} times the time of the dense one."
        )
    lines.append(f"\n{SAVES[pattern]}.")
    return "\n".join(lines)


def model_table(forms: Sequence[ModelForm], refused: Sequence[str], done: bool) -> str:
    """The forms of the model, and what each saves."""
    lines = [
        "| model | numbers in its matrices | bytes | file | ms per token | perplexity |",
        "|---|---|---|---|---|---|",
    ]
    for form in forms:
        took = "" if form.milliseconds is None else f"{form.milliseconds:.2f}"
        foretold = "" if form.perplexity is None else perplexity(form.perplexity)
        lines.append(
            f"| {form.name} | {form.parameters:,} | {form.nbytes / 1e6:.2f} MB | {form.file / 1e6:.2f} MB | "
            f"{took} | {foretold} |"
        )
    said = [f"\n{_saved(forms[0], form)}" for form in forms[1:]] if done else []
    said += [f"\nNot possible here: {why}" for why in refused]
    return "\n".join(lines + said)


def _saved(full: ModelForm, form: ModelForm) -> str:
    size = form.nbytes / full.nbytes
    bytes_said = "as many bytes" if form.nbytes == full.nbytes else f"**{size:.2f} times** the bytes"
    if form.milliseconds is None or full.milliseconds is None:
        return (
            f"- *{form.name}*: {bytes_said}; to run here it is unpacked first, so its time is that of dense."
        )
    return f"- *{form.name}*: {bytes_said}, **{form.milliseconds / full.milliseconds:.2f} times** the time."


NAMES = {"quantized": "quantization", "pruned": "pruning", "both": "both together"}


def equal_words(equal: Equal) -> str:
    """One matrix at equal bytes: how many weights each form changes, and by how much."""
    lines = [
        "| one matrix | bytes | read back as 0 | changed by at most 1 % | mean error | outputs' power lost |",
        "|---|---|---|---|---|---|",
    ]
    for name, words in NAMES.items():
        form = getattr(equal, name)
        error = (form.weight - equal.weight).abs()
        gone, same = (_share(form.weight == 0), _share(error <= 0.01 * equal.weight.abs()))
        lines.append(
            f"| {words} | {form.nbytes:,} | {gone} | {same} | {float(error.mean()):.4g} | "
            f"{percent(form.lost)} |"
        )
    most = max(abs(getattr(equal, name).nbytes - equal.quantized.nbytes) for name in NAMES)
    apart = (
        "are the same to the byte" if not most else f"differ by at most {most:,}: a weight is stored whole"
    )
    lines.append(
        f"\nThe scheme *{equal.scheme}* gives the bytes, and the sparsity follows: "
        f"{percent(equal.pruned.sparsity)} with 16-bit weights and a bitmask, "
        f"{percent(equal.both.sparsity)} with *{equal.finer}* codes and a bitmask. The bytes {apart}."
    )
    return "\n".join(lines)


def _share(holds: Tensor) -> str:
    return percent(float(holds.float().mean()))


def contest_table(rows: Sequence[Row], refused: str, done: bool) -> str:
    """A whole model at equal bytes, and 2:4, whose bytes are its own."""
    lines = [
        "| whole model | bytes of its matrices | bits of a weight | cut | perplexity | KL, nats |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row.name} | {row.nbytes:,} | {row.bits:.3f} | {percent(row.sparsity)} | "
            f"{perplexity(row.score.perplexity)} | {row.score.divergence:.4f} |"
        )
    if rows:
        lines.append(f"\nThe full model's perplexity is {rows[0].score.full_perplexity:.2f}.")
    if done:
        fair = [row for row in rows if row.kind in NAMES]
        best = min(fair, key=lambda row: row.score.perplexity)
        lines[-1] += f" At these bytes the best is **{best.name}**."
        for row in rows:
            if row.kind == "2:4" and row.nbytes != rows[0].nbytes:
                lines.append(
                    f"\n{row.name} has bytes of its own: {row.bits:.3f} bits of a weight beside "
                    f"{rows[0].bits:.3f}. 2:4 leaves no choice of the sparsity, so equal bytes cannot be had."
                )
    if refused:
        lines.append(f"\nNo 2:4 here: {refused}")
    return "\n".join(lines)
