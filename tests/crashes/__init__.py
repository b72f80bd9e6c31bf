"""The power fails, the homeserver goes away, the disk fills up, a file is locked: nothing is lost, nothing doubled."""
