"""What a script or a notebook calls: numbers of a model and data that are in memory. No files, no servers."""
