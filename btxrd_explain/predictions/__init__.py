"""The table in the middle: every prediction and class-activation grid, written once, read by all."""
