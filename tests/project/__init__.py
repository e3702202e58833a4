"""Tests of the repository itself: documents, examples, imports, lengths of files."""
