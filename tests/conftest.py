"""What must happen before any test imports transformers or open_clip."""

from demos.kit.torchvision_shim import register_missing_operators

register_missing_operators()
