"""What a researcher brings: radiographs, annotations, splits and tables, read and checked."""
