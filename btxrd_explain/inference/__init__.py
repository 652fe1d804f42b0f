"""From a request to a filled table, and from a table to the rows of an analysis."""
