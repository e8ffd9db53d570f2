"""A race and a hearing -> what the page's scripts draw. Pure functions; nothing is computed here that
the lesson talks about.

The pictures are canvases and buttons and not Plotly figures because they all follow one clock within a
frame of the screen, and because they change with the dark switch.
"""

import math

from demos.kit.decoding import Pass, Step
from demos.speculative_decoding.court import RULES, SIGMAS, Hearing
from demos.speculative_decoding.panels import COURT, PANELS
from demos.speculative_decoding.race import MOST, Race, best_length, speedup, tokens_per_pass
from demos.speculative_decoding.trace import Block, Drafted

SHOWN = 9  # tokens of two laws that the bars have room for, beside all others together


def race_view(race: Race, key: str, words: dict[int, str]) -> dict:
    """The value of the page's view. words: the text of every token that occurs.

    Times are milliseconds on one clock that runs only while a block or a step is made.
    """
    costs = race.costs()
    return {
        "key": key,
        "done": race.done,
        "panels": {name: [panel.title, panel.x, panel.y] for name, panel in PANELS.items()},
        "words": {str(token): text for token, text in words.items()},
        "prompt": list(race.prompt),
        "K": race.draft_length,
        "blocks": _with_starts(race.speculative.blocks, block_view),
        "plain": _with_starts(race.plain, step_view),
        "theory": {"why": race.no_costs} if costs is None else theory_view(race),
    }


def _with_starts(parts, view) -> list[dict]:
    out, clock = [], 0.0
    for part in parts:
        out.append(view(part, clock))
        clock += part.milliseconds
    return out


def block_view(block: Block, start: float) -> dict:
    """One block that begins at `start` ms."""
    judged = block.judged
    return {
        "t": _round(start),
        "ms": _round(block.milliseconds),
        "drafted": [
            {
                "x": d.token,
                "p": _round(d.p),
                "q": _round(d.q),
                "r": None if math.isnan(d.uniform) else _round(d.uniform),
                "state": "accepted" if d.accepted else "rejected" if i < judged else "dropped",
                "overlap": _round(d.overlap),
                "laws": laws_view(d),
            }
            for i, d in enumerate(block.drafted)
        ],
        "last": block.last,
        "kind": block.kind,
        "p": _round(block.last_p),
        "r": _round(block.last_uniform),
        "law": top_view(block),
        "new": list(block.new),
        "caches": [list(pair) for pair in block.caches],
        "passes": [
            *(_pass("draft", each, block, start) for each in block.draft_passes),
            _pass("target", block.target_pass, block, start),
        ],
    }


def step_view(step: Step, start: float) -> dict:
    """One plain step that begins at `start` ms."""
    return {
        "x": step.token,
        "t": _round(start),
        "ms": _round(step.milliseconds),
        "passes": [_pass("target", step.target_pass, step, start)],
    }


def laws_view(drafted: Drafted) -> list[list]:
    """Rows [token, p, q] of the likeliest tokens of both laws, the drafted one among them; the last row,
    with token None, is all others together."""
    rows = {drafted.token: (drafted.p, drafted.q)}
    top = drafted.p_top
    rows |= dict(zip(top.tokens, zip(top.probabilities, drafted.q_of_p_top, strict=True), strict=True))
    top = drafted.q_top
    rows |= dict(zip(top.tokens, zip(drafted.p_of_q_top, top.probabilities, strict=True), strict=True))
    likely = sorted(rows, key=lambda token: (token != drafted.token, -max(rows[token])))[:SHOWN]
    likely = [token for token in likely if max(rows[token]) > 0]
    likely.sort(key=lambda token: -max(rows[token]))
    rest = [max(0.0, 1 - sum(rows[token][k] for token in likely)) for k in (0, 1)]
    shown = [[token, *map(_round, rows[token])] for token in likely]
    return [*shown, [None, *map(_round, rest)]]


def top_view(block: Block) -> list[list]:
    """Rows [token, probability] of the law that the block's last token was drawn from, that token among
    them; the last row is all others together."""
    law = dict(zip(block.last_top.tokens, block.last_top.probabilities, strict=True))
    law[block.last] = block.last_p
    likely = sorted(law, key=lambda token: (token != block.last, -law[token]))[:SHOWN]
    likely = sorted((token for token in likely if law[token] > 0), key=lambda token: -law[token])
    rest = max(0.0, 1 - sum(law[token] for token in likely))
    return [*([token, _round(law[token])] for token in likely), [None, _round(rest)]]


def theory_view(race: Race) -> dict:
    """The curves of expected speed over K, and the measured point."""
    costs = race.costs()
    return {
        "alpha": _round(costs.alpha),
        "c": _round(costs.c),
        "v": _round(costs.v),
        "measured": _round(race.measured_speedup),
        "best": best_length(costs.alpha, costs.c, costs.v),
        "rows": [
            [
                K,
                _round(tokens_per_pass(costs.alpha, K)),
                _round(speedup(costs.alpha, costs.c, K, costs.v)),
                _round(speedup(costs.alpha, costs.c, K)),
            ]
            for K in range(1, MOST + 1)
        ],
    }


def court_view(hearings: tuple[Hearing, ...], wanted: int, acting: str) -> dict:
    """The value of the court's view: a line for each rule, the noise, and the verdicts so far.

    wanted: samples asked for. acting: what is being done now, "" at the end.
    """
    last = hearings[-1]
    return {
        "panels": {name: [PANELS[name].title, PANELS[name].x, PANELS[name].y] for name in COURT},
        "acting": acting,
        "done": last.samples,
        "wanted": wanted,
        "sigmas": SIGMAS,
        "samples": [h.samples for h in hearings],
        "first_noise": [[_round(v) for v in h.first_noise] for h in hearings],
        "pair_noise": [[_round(v) for v in h.pair_noise] for h in hearings],
        "rules": [
            {
                "name": rule,
                "words": RULES[rule],
                "first": [_round(h.verdicts[rule].first) for h in hearings],
                "pair": [_round(h.verdicts[rule].pair) for h in hearings],
                "acceptance": _round(last.verdicts[rule].acceptance),
                "lossless": last.lossless(rule),
            }
            for rule in RULES
        ],
    }


def _pass(who: str, each: Pass, part: Block | Step, start: float) -> list:
    """A pass as [who, beginning, length], in ms on the race's clock."""
    return [who, _round(start + (each.begun - part.begun) * 1000), _round(each.milliseconds)]


def _round(value: float) -> float:
    """Six digits: what a picture can show."""
    return float(f"{value:.6g}")
