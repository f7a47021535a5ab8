"""A copy of Exact Online's records elsewhere, kept in step: plain Python, like ``client``."""
