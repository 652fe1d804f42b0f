"""Arrays in, arrays out: geometry, masks, heat maps, overlap. No files, no settings, no printing."""
