"""The address of Aim's metrics explorer with one metric asked for, as Aim's own links have it."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from urllib.parse import quote


def address(metric: str) -> str:
    """What is asked for stands in the address: JSON, escaped as a URI, in base 64."""
    asked = {"advancedMode": True, "advancedQuery": f'metric.name == "{metric}"'}
    escaped = quote(json.dumps(asked), safe=";,/?:@&=+$-_.!~*'()#")
    return f"/metrics?select=O-{urlsafe_b64encode(escaped.encode()).decode().rstrip('=')}"
