"""Foreign bytes into every parser. `make fuzz` is guided by coverage (Atheris); a short run is among the tests."""
