"""`sluicegate demo`: bots against a stand-in exchange, without a limiter and through sluicegate."""

NEEDS = ("aiohttp", "click", "matplotlib", "rich")
"""What the demo imports: the extra `demo` of pyproject.toml."""
