"""What becomes of each kind of file that people bring: the tables of two pages, executed."""
