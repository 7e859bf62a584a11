"""Floor 6: HTTP. REST, server-sent events, metrics and the page, on the local node."""
