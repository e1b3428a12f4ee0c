"""A form's request inside an address: short enough to share, opened as it was."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Mapping
from typing import Any

LONGEST = 100_000
"""Bytes of JSON that an address may unpack to."""


def packed(request: Mapping[str, Any]) -> str:
    """The request as url-safe text."""
    text = json.dumps(request, separators=(",", ":"), sort_keys=True)
    return base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode().rstrip("=")


def unpacked(text: str) -> dict[str, Any] | None:
    """The request of an address; None where the text is none of ours."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        request = json.loads(zlib.decompressobj().decompress(raw, LONGEST))
    except (binascii.Error, zlib.error, ValueError):
        return None
    return request if isinstance(request, dict) else None


def launch(request: Mapping[str, Any]) -> str:
    """The address of the launch form filled with a request."""
    return f"/launch?r={packed(request)}"


def curl(request: Mapping[str, Any], origin: str, path: str = "/api/v1/jobs") -> str:
    """The same request for a shell; the token stays in the environment."""
    body = _written(request).replace("'", "'\\''")
    return (
        f"curl {origin}{path} \\\n"
        '  -H "Authorization: Bearer $NORMSCOPE_TOKEN" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"  -d '{body}'"
    )


def _written(request: Mapping[str, Any]) -> str:
    """JSON with a line for each field of the spec, as a person would write it."""
    spec = request.get("spec") or {}
    fields = [f"  {json.dumps(key)}: {json.dumps(spec[key], ensure_ascii=False)}" for key in spec]
    inner = ",\n".join(fields)
    rest = {key: value for key, value in request.items() if key != "spec"}
    head = json.dumps(rest, ensure_ascii=False)[1:-1]
    return f'{{{head}, "spec": {{\n{inner}}}}}'
