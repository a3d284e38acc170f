"""The command `ibshift`."""
