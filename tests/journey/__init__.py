"""Journeys: the real command, the real bot, a real homeserver, patients' clients that are not ours."""
