"""Backups, restores and upgrades: real files, both databases, kill -9 and a full disk."""
