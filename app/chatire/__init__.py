"""Wiring only: configuration, settings, URLs and the entry points of both tiers."""
