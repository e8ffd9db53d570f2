"""The table of contents: the lecture's topics in its order.

A new topic is a folder with a `TOPIC` in its tab.py, and its line here.
"""

from demos.clip import tab as clip
from demos.kit.topic import Topic
from demos.pruning import tab as pruning
from demos.quantization import tab as quantization
from demos.speculative_decoding import tab as speculative_decoding
from demos.speech_features import tab as speech_features
from demos.vision_transformer import tab as vision_transformer

DECODING = "Faster decoding"
COMPRESSION = "Smaller models"
VISION = "Vision and language"
SPEECH = "Speech"
SECTIONS = (DECODING, COMPRESSION, VISION, SPEECH)

TOPICS = (
    speculative_decoding.TOPIC,
    Topic(
        "medusa-heads",
        "Medusa heads",
        "Medusa",
        DECODING,
        "Extra heads guess several tokens ahead; a tree of guesses is checked in one pass.",
    ),
    Topic(
        "flash-attention",
        "FlashAttention",
        "FlashAttention",
        DECODING,
        "Exact attention computed tile by tile, so that the big matrix is never written down.",
    ),
    quantization.TOPIC,
    pruning.TOPIC,
    Topic(
        "distillation",
        "Distillation and DistilBERT",
        "Distillation",
        COMPRESSION,
        "A student learns the whole distribution of its teacher, not only the top answer.",
    ),
    vision_transformer.TOPIC,
    clip.TOPIC,
    Topic(
        "multimodal-classification",
        "Multimodal classification",
        "Classification",
        VISION,
        "Picture and text features joined by a small classifier: simple, and hard to beat.",
    ),
    Topic(
        "llava-chat",
        "LLaVA chat",
        "LLaVA",
        VISION,
        "A conversation about a picture, with the four parts of the model laid open.",
    ),
    Topic(
        "molmo",
        "Molmo",
        "Molmo",
        VISION,
        "An open model that points at what it counts, and what open means.",
    ),
    Topic(
        "video",
        "Llama 3.2 and video",
        "Video",
        VISION,
        "Cross-attention to pictures, and frames merged over time.",
    ),
    Topic(
        "any-to-any",
        "Any-to-any models",
        "Any-to-any",
        VISION,
        "One model for text, pictures and sound as tokens.",
    ),
    speech_features.TOPIC,
    Topic(
        "audio-spectrogram-transformer",
        "Audio Spectrogram Transformer",
        "AST",
        SPEECH,
        "A spectrogram cut into patches and classified like a picture.",
    ),
    Topic(
        "qwen2-audio",
        "Qwen2-Audio",
        "Qwen2-Audio",
        SPEECH,
        "A language model that listens: sound in, text out, trained in three stages.",
    ),
)
