"""What people ask for: the query language, from text to a tree, and what a tree means."""
