"""What the figures of several commands are made of."""
