"""One module per command: ``run(settings) -> frozen result``. Never prints, never exits."""
