"""The studies, readable as prose."""
