"""The settings of a study: read, checked, and refused in one line when they are wrong."""
