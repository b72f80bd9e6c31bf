"""The Matrix channel, against a real homeserver and against everything a stranger can send."""
