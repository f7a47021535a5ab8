"""An extraction of time transactions, beside other ways to get them: one command, one table."""
