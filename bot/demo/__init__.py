"""The whole journey on one machine, told as it happens, and the search for leaks that ends it."""
