"""Sharing from outside a program: what the environment asks for, and `sluicegate share`."""
