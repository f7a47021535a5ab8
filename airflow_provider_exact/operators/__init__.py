"""Operators: one call to Exact Online as a task."""
