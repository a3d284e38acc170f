"""What every report has in common; knows no study."""
