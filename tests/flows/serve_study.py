"""The study on a schedule: `python serve_study.py <workspace> <seconds between runs, or never>`."""

import sys
from pathlib import Path

from flows.serving.serve import serve_sweep

if __name__ == "__main__":
    seconds = None if sys.argv[2] == "never" else float(sys.argv[2])
    sys.exit(serve_sweep("toy", Path(sys.argv[1]), {}, "served_study.study", every=seconds))
