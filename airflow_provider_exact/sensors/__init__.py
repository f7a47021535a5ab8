"""Sensors: waiting for something to appear in Exact Online."""
