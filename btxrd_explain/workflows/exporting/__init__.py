"""The parts of ``export``."""
