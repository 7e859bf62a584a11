"""Whole clusters on a virtual clock. Real product code; only the outside is simulated."""
