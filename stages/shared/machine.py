"""What a run was made on."""

import os
import platform
from pathlib import Path

import numpy as np


def processor() -> str:
    """Return the name of the processor, or as much of it as the system tells."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = (line.partition(": ")[2] for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def in_words() -> str:
    """Return the processor, its cores and the version of NumPy."""
    return f"{processor()}, {os.cpu_count()} cores, NumPy {np.__version__}"
