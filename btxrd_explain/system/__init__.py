"""The machine below: files, folders, places, locks and threads."""
