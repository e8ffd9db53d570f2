"""What the page's pictures are called. Nothing here loads torch: the page is drawn with it."""

STAGES = ("One number", "One matrix", "Whole model", "Read it", "What it saves", "Cache and activations")
# part of the packed maps -> title
MAPS = {"weight": "Weight", "codes": "Code", "dequantized": "Value back", "error": "Error"}
# canvas -> title
PROFILE = {
    "histogram": "Weights in units of their scale",
    "rows": "Error of each output",
    "columns": "Error and inputs of each input channel",
}
