"""Parts of `report`: what the page tells of each radiograph and of all, and how it reaches the disk."""
