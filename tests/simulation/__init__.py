"""A practice, its patients and its homeserver, simulated: one number decides everything that happens."""
