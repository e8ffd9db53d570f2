"""A run in words and numbers: caption, formula with its numbers, verdict."""

from demos.speculative_decoding.controls import LOOKUP, ORACLE, CourtSettings, Settings
from demos.speculative_decoding.court import EXACT, MATCH, ONE_SIDE, Hearing
from demos.speculative_decoding.race import Costs, Race, best_length, speedup, tokens_per_pass


def caption(race: Race, settings: Settings) -> str:
    """Two to four sentences with this run's numbers."""
    said = _counts(race)
    if not race.done:
        return said
    said += (
        f" Speculation wrote {race.speculative_rate:.0f} tokens/s, plain decoding {race.plain_rate:.0f}: "
        f"**{race.measured_speedup:.2f} times** the speed. {_why(race, settings)}"
    )
    same = tuple(step.token for step in race.plain) == race.speculative.tokens
    if same:
        return said + " Both texts are the same, token for token."
    if settings.temperature == 0:
        return said + " The texts part where two tokens are as good as equal, and rounding decides."
    return said + " The two texts differ, as they spend their random numbers differently; their law is one."


def stopped(race: Race | None) -> str:
    """The caption of a run that the visitor ended."""
    return "Stopped before the first block." if race is None else _counts(race) + " Stopped."


def _counts(race: Race) -> str:
    text, blocks = race.speculative, race.speculative.blocks
    judged = sum(block.judged for block in blocks)
    accepted = sum(block.accepted for block in blocks)
    said = f"**{len(text.tokens)} tokens** in **{len(blocks)} passes** of the target"
    said += f" ({race.tokens_per_pass:.2f} tokens a pass); {accepted} of {judged} judged drafts were accepted"
    said += f" ({accepted / judged:.0%})." if judged else "."
    return said


def _why(race: Race, settings: Settings) -> str:
    costs, made = race.costs(), race.tokens_per_pass
    if settings.source == LOOKUP:
        found = sum(bool(block.drafted) for block in race.speculative.blocks)
        blocks = len(race.speculative.blocks)
        return (
            f"Looking a draft up costs nearly nothing, but only {found} of {blocks} blocks found something "
            "to draft; the others are plain passes."
        )
    if costs is None:
        return race.no_costs
    spent = f"A draft pass costs c = {costs.c:.2f} of a target pass"
    if settings.source == ORACLE:
        spent = f"The draft is the target itself, so a draft pass costs c = {costs.c:.2f} of a plain one"
    checked = f"checking {costs.K + 1} positions costs v = {costs.v:.2f}"
    block = costs.K * costs.c + costs.v
    if race.measured_speedup >= 1:
        return f"{spent}, and {checked}."
    said = f"{spent} and {checked}, so a block costs K·c + v = {block:.2f} plain passes"
    said += f" and gave {made:.2f} tokens"
    if made <= block:
        return f"{said}: not enough to win."
    outside = race.speculative.milliseconds - race.passes_milliseconds
    return f"{said}; the win is lost in the first pass, slow ones, and {outside:.0f} ms outside the passes."


def formula(race: Race) -> str:
    """The lesson's formulas with this run's numbers put in."""
    costs = race.costs()
    if costs is None:
        return ""
    a, c, v, K = costs.alpha, costs.c, costs.v, costs.K
    tokens = tokens_per_pass(a, K)
    lines = [
        rf"$$\alpha={a:.3f},\quad K={K}$$",
        rf"$$c=\frac{{{costs.draft:.2f}\,\mathrm{{ms}}}}{{{costs.target:.2f}\,\mathrm{{ms}}}}={c:.3f}$$",
        rf"$$v=\frac{{{costs.verify:.2f}\,\mathrm{{ms}}}}{{{costs.target:.2f}\,\mathrm{{ms}}}}={v:.3f}$$",
        _expected_tokens(costs, tokens),
        rf"$$\text{{speed: }}\frac{{{tokens:.3f}}}{{{K}\cdot{c:.3f}+{v:.3f}}}={speedup(a, c, K, v):.2f}$$",
        rf"$$\text{{measured: }}{race.measured_speedup:.2f}$$",
        rf"$$\text{{best }}K={best_length(a, c, v)}:\ {speedup(a, c, best_length(a, c, v), v):.2f}$$",
    ]
    return "**With this run's numbers:**\n\n" + "\n\n".join(lines)


def _expected_tokens(costs: Costs, tokens: float) -> str:
    if costs.alpha == 1:
        return rf"$$\text{{all accepted: }}K+1={tokens:.0f}\ \text{{tokens}}$$"
    return (
        rf"$$\frac{{1-{costs.alpha:.3f}^{{{costs.K + 1}}}}}{{1-{costs.alpha:.3f}}}={tokens:.3f}"
        r"\ \text{tokens}$$"
    )


def outcome(race: Race, settings: Settings) -> tuple[str | None, str]:
    """What this run says to the lesson's question: the right answer's key, and the evidence.

    The question is about the target as its own draft; other runs say nothing.
    """
    costs = race.costs()
    if settings.source != ORACLE or costs is None:
        return None, ""
    gain, K = race.measured_speedup, settings.draft_length
    key = "none" if gain < 1.1 else "some" if gain < 0.6 * (K + 1) else "all"
    accepted = sum(block.accepted for block in race.speculative.blocks)
    judged = sum(block.judged for block in race.speculative.blocks)
    return key, (
        f"{accepted} of {judged} drafted tokens were accepted, and the speed was {gain:.2f} times that of "
        f"plain decoding: a draft pass costs {costs.c:.2f} of a target pass, and a block needs {K} of them."
    )


def court_caption(hearing: Hearing, settings: CourtSettings) -> str:
    """What the samples say so far."""
    kept = [rule for rule in hearing.verdicts if hearing.lossless(rule)]
    left = [rule for rule in hearing.verdicts if rule not in kept]
    said = (
        f"After {hearing.samples:,} samples under each rule, {len(kept)} of {len(hearing.verdicts)} rules "
        f"lie within the noise of sampling"
    )
    said += f"; outside are: {', '.join(left)}." if left else "."
    exact, match = hearing.verdicts[EXACT].acceptance, hearing.verdicts[MATCH].acceptance
    if MATCH in kept:
        said += (
            f" *{MATCH}* is lossless too, but keeps {match:.0%} of the drafted tokens where the right rule "
            f"keeps {exact:.0%}."
        )
    if settings.temperature == 1:
        said += f" At temperature 1 the rule *{ONE_SIDE}* is the right one; choose another to see it fail."
    return said
