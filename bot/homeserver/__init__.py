"""A homeserver for trials, tests and small practices, and the administration of its accounts."""
