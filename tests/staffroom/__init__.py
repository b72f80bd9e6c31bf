"""The staff room against the real homeserver, with two kinds of clients."""
