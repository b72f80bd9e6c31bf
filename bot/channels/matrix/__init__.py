"""Matrix: end-to-end encrypted rooms over nio's Olm machine, with our own send path and trust check."""
