"""What the page's events run: the models of the zoo on the visitor's settings."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import torch

from demos.kit.decoding import decode
from demos.kit.device import on_gpu
from demos.kit.inputs import InputError
from demos.kit.language import prompt_ids, word
from demos.kit.models import Loaded, load, same_tokenizer
from demos.kit.passes import memory_for, now_and_then, on_threads
from demos.kit.runs import Runs
from demos.kit.sampling import Sampling
from demos.speculative_decoding.algorithm import SpeculationTrace, speculate
from demos.speculative_decoding.controls import DRAFT, ORACLE, PAIRS, CourtSettings, Settings
from demos.speculative_decoding.court import Hearing, hear
from demos.speculative_decoding.race import Race

Written = tuple[Race, dict[int, str]]
RUNS: Runs[Written] = Runs(max_bytes=200_000_000, seconds=1800, size=lambda written: written[0].nbytes)
HEARINGS: Runs[tuple[Hearing, ...]] = Runs(max_bytes=20_000_000, seconds=1800, size=lambda said: 20_000)


@on_gpu(seconds=60)
def write(settings: Settings, before_pass: Callable[[], None]) -> Iterator[Written]:
    """The race as it grows, and the text of each token in it.

    Raises InputError for a prompt that does not fit, LoadError where a model cannot be had.
    """
    small_spec, target_spec = PAIRS[settings.pair]
    # Both are loaded whatever the source, so that a change of the source costs no wait.
    with memory_for(target_spec), load(target_spec) as target, load(small_spec) as small:
        check_pair(target, small)
        ids = prompt_ids(target, settings.prompt)
        draft = {DRAFT: small.model, ORACLE: target.model}.get(settings.source)
        options = {
            "max_new_tokens": settings.tokens,
            "sampling": Sampling(settings.temperature, settings.top_k, settings.top_p),
            "seed": settings.seed,
            "before_pass": before_pass,
        }
        prompt, blocks, plain, words = tuple(ids[0].tolist()), [], [], {}

        def race(done: bool) -> Written:
            text = SpeculationTrace.of(blocks)
            return Race(prompt, text, tuple(plain), settings.draft_length, done), dict(words)

        def note(tokens: Iterable[int]) -> None:
            words.update({token: word(target.reader, token) for token in {*tokens} - {*words}})

        def grow() -> Iterator[None]:
            note(prompt)
            _warm(target.model, small.model, ids)
            # In turns, so that what else the machine does slows both alike.
            steps = decode(target.model, ids, **options)
            for block in speculate(target.model, draft, ids, draft_length=settings.draft_length, **options):
                blocks.append(block)
                plain.extend(islice(steps, len(block.new)))
                note(_tokens(block))
                note(step.token for step in plain)
                yield
            for step in steps:  # an end token may have ended the other text early
                plain.append(step)
                note([step.token])
                yield

        for _ in now_and_then(on_threads(target.spec, grow())):
            yield race(False)
        yield race(True)


@on_gpu(seconds=60)
def hold_court(settings: CourtSettings, before_pass: Callable[[], None]) -> Iterator[tuple[Hearing, ...]]:
    """All hearings so far, after each. Errors as in `write`."""
    draft_spec, target_spec = PAIRS[settings.pair]
    hearings = []
    with memory_for(target_spec), load(target_spec) as target, load(draft_spec) as draft:
        check_pair(target, draft)
        ids = prompt_ids(target, settings.prompt)
        if ids.shape[1] > target.model.config.max_position_embeddings - 2:
            raise InputError(
                f"The court needs two places after the prompt, so at most "
                f"{target.model.config.max_position_embeddings - 2} tokens; got {ids.shape[1]}."
            )
        sampling = Sampling(settings.temperature, settings.top_k, settings.top_p)
        heard = hear(
            target.model, draft.model, ids, sampling=sampling, samples=settings.samples, seed=settings.seed,
            before_pass=before_pass,
        )  # fmt: skip
        for hearing in on_threads(target.spec, heard):
            hearings.append(hearing)
            yield tuple(hearings)


def check_pair(target: Loaded, draft: Loaded) -> None:
    """Raises InputError where the two do not share a tokenizer."""
    difference = same_tokenizer(target.reader, draft.reader)
    if difference:
        raise InputError(f"Draft and target must have the same tokenizer: {difference}")


@torch.inference_mode()
def _warm(target, draft, ids: torch.Tensor) -> None:
    """One pass of each model, so that none of the measured ones is the first, which allocates."""
    for model in (target, draft):
        model(input_ids=ids[:, :1].to(model.device).clamp(max=model.config.vocab_size - 1))


def _tokens(block) -> list[int]:
    """Every token that the block's record names."""
    named = [t for d in block.drafted for t in (d.token, *d.p_top.tokens, *d.q_top.tokens)]
    return [*named, block.last, *block.last_top.tokens]
