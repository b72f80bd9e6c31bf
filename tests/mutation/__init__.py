"""Mutation testing: are the tests worth anything? `make mutation`; what survives, and why, is in survivors.toml."""
