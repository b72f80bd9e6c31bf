"""One suite over every channel that nudges."""
