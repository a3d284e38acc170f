"""The stages of the calibration: risk, bracket, tables, report."""
