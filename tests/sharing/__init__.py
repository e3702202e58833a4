"""A budget that several processes share, with real processes and real files."""
