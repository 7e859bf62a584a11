"""Placement: what the rules of a library want for each photo. Pure, beside the catalog."""
