"""The parts of `check`: what a data set is made of, the rules that it is held against, and the report."""
