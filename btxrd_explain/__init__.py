"""Show where a bone-tumour X-ray classifier looks, and measure whether it looks at the tumour."""
