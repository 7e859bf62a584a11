"""Verbs that run a node in this process set up logs; each test leaves them as they were."""

from __future__ import annotations

from tests.test_logs import root_as_before

__all__ = ["root_as_before"]
