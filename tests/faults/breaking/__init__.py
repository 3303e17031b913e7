"""How things are broken: each a context manager that undoes what it did, however it ends."""
