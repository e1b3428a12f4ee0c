"""Whether a file is safetensors, by its header alone: nothing of it is loaded here."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

MOST_HEADER = 100 * 2**20
BYTES = {"BOOL": 1, "U8": 1, "I8": 1, "F16": 2, "BF16": 2, "U16": 2, "I16": 2}
BYTES |= {"F32": 4, "U32": 4, "I32": 4, "F64": 8, "U64": 8, "I64": 8}


def require_safetensors(path: Path) -> None:
    """ValueError where the header does not account for every byte of the file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(MOST_HEADER, size - 8):
            raise ValueError("its header is longer than the file")
        header = _object(file.read(length))
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise ValueError("its metadata is no text")
    end = 0
    for begin, after in sorted(_span(name, tensor) for name, tensor in header.items()):
        if begin != end:
            raise ValueError("its tensors overlap or leave gaps")
        end = after
    if end != size - 8 - length:
        raise ValueError("its tensors are not all of the file")


def _object(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError("its header is not JSON") from error
    if not isinstance(header, dict):
        raise ValueError("its header is no object")
    return header


def _span(name: str, tensor: Any) -> tuple[int, int]:
    try:
        begin, after = tensor["data_offsets"]
        shape, width = tensor["shape"], BYTES[tensor["dtype"]]
        whole = all(type(n) is int and n >= 0 for n in (begin, after, *shape))
        if whole and after - begin == math.prod(shape) * width:
            return begin, after
    except (KeyError, TypeError, ValueError):
        pass
    raise ValueError(f"its tensor {name[:80]!r} is not described rightly")
