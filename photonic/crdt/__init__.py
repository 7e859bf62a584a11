"""Floor 1: the catalog. Signed changes, documents that hold them, and what they add up to."""
