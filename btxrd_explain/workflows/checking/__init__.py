"""Parts of `sanity`: which images, the cascade of random weights, insertion and deletion, and the report."""
