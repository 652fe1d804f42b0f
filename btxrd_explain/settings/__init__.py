"""Settings shared by all commands: defaults < YAML < environment < flags."""
