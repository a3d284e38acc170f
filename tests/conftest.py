"""One thread a process, as in the stages: on small arrays a second one spins, and files of tests run side by side."""

import os

# Before the first import of torch. A run that tests start inherits it, unless they say otherwise.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
