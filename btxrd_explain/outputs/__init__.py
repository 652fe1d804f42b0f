"""What a user looks at: overlays, figures and reports, built from arrays and plain values."""
