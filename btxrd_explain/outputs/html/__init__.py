"""The report as a page: its parts as plain values, pictures as JPEG, and one file that needs nothing else."""
