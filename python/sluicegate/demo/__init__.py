"""`sluicegate demo`: bots against a stand-in exchange, without a limiter and through sluicegate."""
