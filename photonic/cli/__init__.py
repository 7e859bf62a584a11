"""Floor 7: words. The command line, one file a verb."""
