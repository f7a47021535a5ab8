"""Helpers for people who try or develop this project; none of it is in the package."""
