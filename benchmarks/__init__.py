"""What we promise, measured beside others in the same run."""
