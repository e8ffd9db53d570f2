"""The words of the page's pictures. Nothing here loads torch: the app starts with it."""

# canvas -> its title
PANELS = {
    "picture": "The picture, as the model gets it",
    "sequence": "From the grid to a sequence",
    "patch": "The chosen patch, enlarged",
    "vector": "f(p), row by row: red, green, blue of each pixel, normalised",
    "strips": "From f(p) to a vector of the sequence",
    "filters": "Main directions of W's rows",
    "alike": "Each place's likeness to all",
    "near": "The chosen patch's alone",
    "heads": "All heads of this layer, seen from the chosen position",
    "bars": "What the model says",
}

STAGES = ("Cut", "Embed", "Attend", "Experiment")
