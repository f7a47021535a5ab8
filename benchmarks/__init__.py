"""What the provider costs in time, memory and calls, beside other ways to do the same."""
