"""The embedded homeserver; the files, the check and the accounts of one of your own."""
