"""What the tests stand on: a real homeserver, two kinds of patient, a push gateway, a PostgreSQL."""
