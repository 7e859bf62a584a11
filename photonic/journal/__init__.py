"""The journal: what a node knows, durable, checked and mended. See journal.py."""
