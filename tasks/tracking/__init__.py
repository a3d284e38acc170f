"""What every MLflow record has in common; knows no study."""
