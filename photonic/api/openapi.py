"""Prints the OpenAPI document: `python -m photonic.api.openapi > docs/openapi.json`."""

from __future__ import annotations

import json
import sys

from photonic.api.app import Face


def document() -> str:
    """Return the OpenAPI document as it is committed; it depends on no node and no machine."""
    return json.dumps(Face(None).openapi(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
