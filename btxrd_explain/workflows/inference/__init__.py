"""Parts of `infer`: which images, which rows still hold, and the network for the others."""
