"""Readers of files that may have been made to do harm: bounded, and nothing in them is executed."""
