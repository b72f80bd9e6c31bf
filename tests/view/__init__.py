"""What others get to see: the homeserver on the wire, whoever reads memory, files, logs and dumps."""
