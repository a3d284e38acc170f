"""The kinds of study, one folder each: settings, plan and record."""
