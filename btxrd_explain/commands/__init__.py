"""A package or module per command: run(settings) returns a frozen result; it never prints and never exits."""
