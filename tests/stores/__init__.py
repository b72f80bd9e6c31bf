"""Database and vault together, in processes that die."""
