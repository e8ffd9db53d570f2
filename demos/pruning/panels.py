"""What the page's pictures are called. Nothing here loads torch: the page is drawn with it."""

STAGES = ("Mask", "Whole model", "Curve", "Saving, honestly", "Sheared LLaMA", "Against quantization")
# part of the packed maps -> title
MAPS = {"weight": "Weight", "scores": "Score", "mask": "Mask", "pruned": "Pruned weight"}
EQUAL = {
    "weight": "Weight",
    "quantized": "Error of quantization",
    "pruned": "Error of pruning",
    "both": "Error of both together",
}
WORDS = ("cut", "kept", "kept, but next")  # what the mask's values 0, 1 and 2 mean
# canvas -> title
BARS = {"scores": "Scores, and the threshold", "weights": "Weights"}
