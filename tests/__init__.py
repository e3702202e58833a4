"""Tests, by subject. A package, so that no folder of it can stand in for a program of its name."""
