"""Floor 2: bytes. Content-defined chunks, verification, and stores of immutable blobs."""
