"""Triggers: the waiting of deferred tasks."""
