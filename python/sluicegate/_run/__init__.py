"""`sluicegate run`: any Python program with the drop-ins in place, and no change to its code."""
