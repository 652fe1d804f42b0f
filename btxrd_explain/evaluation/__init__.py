"""Heat maps against annotations: how they are compared, scored, summarised and reported."""
