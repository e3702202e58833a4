"""`sluicegate top`: what all bots of this user are doing, and who of them waits for what."""
