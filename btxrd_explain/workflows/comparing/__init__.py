"""Parts of `compare`: which images several tables share, and how their scores differ on them."""
