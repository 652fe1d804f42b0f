"""What the terminal shows: the streams and the error boundary, and a module for the results of each command."""
