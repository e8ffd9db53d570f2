"""Measurements of a changed model -> sentences that several topics use."""

import math

from demos.kit.scores import Agreement, Score


def scored(score: Score | Agreement, done: bool) -> str:
    """How a changed model does beside the full one. done: whether all was read."""
    so_far = "" if done else " (so far)"
    if isinstance(score, Agreement):
        return (
            f"On {score.pictures} pictures{so_far} the answer is the same for **{percent(score.same)}**; KL "
            f"from the full model's answers {score.divergence:.4f} nats."
        )
    return (
        f"On {score.tokens:,} tokens of held-out text{so_far} perplexity **{perplexity(score.perplexity)}**, "
        f"the full model's {score.full_perplexity:.2f}. KL from the full model {score.divergence:.4f} nats a "
        f"token; the likeliest token is the same at {percent(score.same)} of the places."
    )


def parted(parting: tuple[int, str, str] | None, done: bool, name: str, change: str) -> str:
    """Where two texts part. parting: index, the full model's token, the changed one's. name: of the changed
    model; change: what was done to it."""
    if parting is None:
        so_far = "The texts are the same" if done else "So far the texts are the same"
        return f"{so_far}: {name} has other probabilities, but no other choice among these tokens."
    index, one, other = parting
    return (
        f"The texts part at token {index + 1}: the full model writes {quoted(one)}, {name} {quoted(other)}. "
        f"From there on they read different words, so later differences say little about the {change}."
    )


def percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def perplexity(value: float) -> str:
    return "beyond all numbers" if math.isinf(value) else f"{value:,.2f}"


def quoted(token: str) -> str:
    """A token as code, whatever is in it."""
    shown = token.replace("\n", "↵").replace("`", "ˋ")
    return f"`{shown}`" if shown.strip() else f"`{'␣' * max(1, len(shown))}`"
