"""The words of the page's pictures. Nothing here loads torch: the app starts with it."""

STAGES = ("Contrast", "Train it here", "Zero-shot", "Ground", "Where")
# canvas -> its title
PANELS = {
    "diagonal": "Picture by text: softmax along rows",
    "losses": "Loss, step by step",
    "scale": "exp(t), step by step",
    "surgery": "Values (CLIP Surgery)",
    "gradient": "Gradient times attention",
    "plain": "Plain cosine of patch and text",
}
