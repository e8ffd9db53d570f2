"""What the page's later stages run on a model in few bits: it writes, it is weighed, its cache is rounded."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors.torch import save_file

from demos.kit.calibration import AT_ONCE, HELD_OUT
from demos.kit.compressing import Reading, writer
from demos.kit.device import on_gpu
from demos.kit.language import prompt_ids, sequences
from demos.kit.models import Loaded, load
from demos.kit.passes import memory_for, on_threads
from demos.kit.runs import Runs
from demos.kit.scores import Score, score
from demos.kit.timing import Form, rest_of, token_times
from demos.kit.writing import Written, write_both
from demos.quantization.cached import Recalled, recall, rounded_activations
from demos.quantization.controls import Plan
from demos.quantization.kernels import nbytes, with_kernels
from demos.quantization.work import Check, changed

PROMPT_TOKENS = 32  # read before the first token whose time is taken

TEXTS: Runs[Written] = Runs(20_000_000, 1800, lambda written: 40_000)
CACHES: Runs[tuple] = Runs(1_000_000, 1800, lambda points: 5_000)
ACTIVE: Runs[tuple] = Runs(1_000_000, 1800, lambda points: 5_000)


@on_gpu(seconds=120)
def write(plan: Plan, reading: Reading, check: Check) -> Iterator[Written]:
    """The prompt continued by the full and the plan's model. Raises InputError for a model of pictures."""
    spec = writer(plan.model)
    with memory_for(spec), load(spec) as loaded:
        ids = prompt_ids(loaded, reading.prompt)
        *_, state = changed(loaded, plan, check)
        yield from write_both(loaded, state.model, ids, reading, check)


CACHED = ((8, "token", "token"), (4, "token", "token"), (4, "channel", "token"))
CACHED += ((3, "token", "token"), (3, "channel", "token"), (2, "token", "token"), (2, "channel", "token"))
ACTIVATIONS = ((8, "token"), (8, "tensor"), (6, "token"), (6, "tensor"), (4, "token"), (4, "tensor"))


@on_gpu(seconds=120)
def recalled(model: str, check: Check) -> Iterator[tuple[tuple[int, str, Recalled], ...]]:
    """Caches of keys and values of 16 bits, of none, and of CACHED: (bits, keys per, what it foretold)."""
    spec = writer(model)
    points = []
    with memory_for(spec), load(spec) as loaded:
        ids = sequences(loaded, "held_out", 2 * HELD_OUT)
        for bits, keys, values in ((16, "token", "token"), (0, "token", "token"), *CACHED):
            check()
            points.append((bits, keys, recall(loaded.model, ids, bits, keys, values)))
            yield tuple(points)


@on_gpu(seconds=120)
def activated(model: str, check: Check) -> Iterator[tuple[tuple[int, str, Score], ...]]:
    """Activations of few bits, ACTIVATIONS: (bits, per, score against the model as it is)."""
    spec = writer(model)
    points = []
    with memory_for(spec), load(spec) as loaded:
        own, ids = copy.deepcopy(loaded.model), sequences(loaded, "held_out", HELD_OUT)
        for bits, per in ACTIVATIONS:
            with rounded_activations(own, bits, per):
                *_, last = score(own, loaded.model, ids, at_once=AT_ONCE, before_pass=check)
            points.append((bits, per, last))
            yield tuple(points)


@on_gpu(seconds=120)
def weigh(plan: Plan, check: Check) -> Iterator[tuple[Form, ...]]:
    """The forms of the plan's model, their bytes, and the time of a token as it is measured."""
    spec = writer(plan.model)
    with memory_for(spec), load(spec) as loaded:
        yield from on_threads(spec, _weigh(loaded, plan, check))


def _weigh(loaded: Loaded, plan: Plan, check: Check) -> Iterator[tuple[Form, ...]]:
    """`weigh`, of a model that is lent."""
    *_, state = changed(loaded, plan, check)
    packed = {f"{name}.{part}": t for name, parts in state.packed.items() for part, t in parts.items()}
    packed |= rest_of(state.model, state.packed)
    own, short = str(loaded.dtype).removeprefix("torch."), copy.deepcopy(loaded.model).bfloat16()
    with TemporaryDirectory() as folder:
        sizes = []
        for tensors in (dict(short.named_parameters()), packed):
            path = Path(folder) / "model.safetensors"
            save_file({name: t.contiguous().cpu() for name, t in tensors.items()}, path)
            sizes.append(path.stat().st_size)
    forms = [
        Form(f"{own}, as it runs here", nbytes(loaded.model), None, None),
        Form("bfloat16", nbytes(short), sizes[0], None),
        Form(f"{plan.scheme}, unpacked to {own} to run", nbytes(state.model), None, None),
        Form(f"{plan.scheme}, packed", sum(t.nbytes for t in packed.values()), sizes[1], None),
    ]
    models = [loaded.model, short, state.model]
    timed = [0, 1, 2]
    if loaded.device == "cpu":
        for bits in (8, 4):
            model, left = with_kernels(loaded.model, bits)
            timed.append(len(forms))
            forms.append(Form(f"int{bits}, torch's kernel", nbytes(model), None, None, len(left)))
            models.append(model)
    yield tuple(forms)
    prompt = sequences(loaded, "held_out", 1)[:, :PROMPT_TOKENS].to(loaded.model.device)
    for times in token_times(models, prompt, check):
        for place, took in zip(timed, times, strict=True):
            forms[place] = replace(forms[place], milliseconds=took)
        yield tuple(forms)
