"""The words of the page's pictures. Nothing here loads torch: the app starts with it."""

# canvas -> its title
PANELS = {
    "picture": "The picture, as the model gets it",
    "sequence": "From the grid to a sequence",
    "patch": "The chosen patch, enlarged",
    "vector": "f(p): red, green, blue, row by row",
    "strips": "From f(p) to a vector of the sequence",
    "filters": "Directions of W's rows",
    "alike": "Likeness of all places",
    "near": "Of the chosen patch",
    "heads": "All heads of this layer, seen from the chosen position",
    "bars": "What the model says",
}

STAGES = ("Cut", "Embed", "Attend", "Experiment")
