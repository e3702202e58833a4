"""Several processes on one limit: sluicegate and other libraries, over a file and over Redis."""
