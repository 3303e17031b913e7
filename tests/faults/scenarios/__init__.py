"""Every module here is imported by the runner; each registers its scenarios."""
