"""The source of functions, as the page shows it, read without importing their module."""

import ast
from pathlib import Path


def source_of(path: Path, *names: str) -> str:
    """The functions and classes of these names in the file, in the order asked for.

    Raises KeyError with a name that the file does not define.
    """
    text = path.read_text(encoding="utf-8")
    kinds = (ast.FunctionDef, ast.ClassDef)
    found = {node.name: node for node in ast.parse(text).body if isinstance(node, kinds)}
    lines = text.splitlines()
    parts = []
    for name in names:
        node = found[name]
        first = min([node.lineno, *[decorator.lineno for decorator in node.decorator_list]])
        parts.append("\n".join(lines[first - 1 : node.end_lineno]))
    return "\n\n\n".join(parts)
