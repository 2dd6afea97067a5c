"""Meet the outside world: each adapter is imported by its own path."""
