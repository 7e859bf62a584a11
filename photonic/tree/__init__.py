"""The exported tree: every photo at a path that never changes, as links to stored files."""
