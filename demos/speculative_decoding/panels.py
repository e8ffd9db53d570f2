"""The words of the page's pictures. Nothing here loads torch: the app starts with it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Panel:
    """A picture's words: its title, and what its axes show, with units."""

    title: str
    x: str
    y: str


PANELS = {
    "laws": Panel("The draft's law q and the target's law p", "probability", ""),
    "residual": Panel("What is left for resampling", "probability", ""),
    "draw": Panel("The draw", "uniform number r", ""),
    "caches": Panel("Positions in the two caches", "position in the text (tokens)", ""),
    "history": Panel("Read and cut back, block by block", "block", "positions held"),
    "gantt": Panel("Every pass of a model", "time (ms)", ""),
    "theory": Panel("Expected and measured speed", "draft length K", "speed over plain decoding"),
    "first": Panel("First token", "samples", "distance to p"),
    "pair": Panel("First two tokens", "samples", "distance to p"),
}

STAGES = (
    ("Inside one token", ("laws", "residual", "draw")),
    ("Caches", ("caches", "history")),
    ("Race", ("gantt",)),
    ("Theory", ("theory",)),
    ("Is it lossless?", ()),
)
COURT = ("first", "pair")
