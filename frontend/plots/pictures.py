"""Small pictures as crisp PNG data, without an imaging library: one pixel is one pixel."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_LOW, _MID, _HIGH = (5, 48, 97), (247, 247, 247), (103, 0, 31)


@dataclass(frozen=True)
class Picture:
    """One picture of a group: its PNG as a data address, and what is said of it."""

    group: str
    address: str
    caption: str


def rows(value: Mapping[str, Any]) -> Iterator[list[Picture]]:
    """The pictures that belong together, one of each group, from an `images` value."""
    groups: Mapping[str, Sequence[Sequence[int]]] = value["groups"]
    for index in range(min((len(pixels) for pixels in groups.values()), default=0)):
        yield [
            Picture(
                name,
                address(pixels[index], value, signed=name in (value.get("scale") or {})),
                _caption(value, name, index),
            )
            for name, pixels in groups.items()
        ]


def _caption(value: Mapping[str, Any], group: str, index: int) -> str:
    captions = (value.get("captions") or {}).get(group) or []
    return str(captions[index]) if index < len(captions) else ""


def address(pixels: Sequence[int], value: Mapping[str, Any], *, signed: bool) -> str:
    """A data address of the picture; a signed one in colours from blue through white to red."""
    if int(value["channels"]) == 3:
        rgb = [int(channel) for channel in pixels]  # a signed one about grey
    elif signed:
        rgb = [channel for shade in pixels for channel in diverging(shade)]
    else:
        rgb = [int(shade) for shade in pixels for _ in range(3)]
    picture = png(int(value["width"]), int(value["height"]), bytes(rgb))
    return "data:image/png;base64," + base64.b64encode(picture).decode()


def diverging(shade: float) -> tuple[int, int, int]:
    """0 → blue, 127.5 → white, 255 → red."""
    part = min(max((shade - 127.5) / 127.5, -1.0), 1.0)
    end = _HIGH if part > 0 else _LOW
    red, green, blue = (
        round(middle + (far - middle) * abs(part)) for middle, far in zip(_MID, end, strict=True)
    )
    return red, green, blue


def png(width: int, height: int, rgb: bytes) -> bytes:
    """An RGB picture as PNG."""
    lines = b"".join(b"\0" + rgb[3 * width * row : 3 * width * (row + 1)] for row in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
