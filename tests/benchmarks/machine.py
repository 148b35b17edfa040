"""The machine, and what is installed on it."""

from __future__ import annotations

import datetime
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import lr_widget

from .rivals import RIVALS

PACKAGES = ("torch", "numpy", "ipywidgets", "bqplot", "jupyterlab")


def machine() -> dict[str, Any]:
    """What a figure depends on, each as it is now."""
    return {
        "date": datetime.date.today().isoformat(),
        "processor": processor(),
        "cores": cores(),
        "memory": memory(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "Python": platform.python_version(),
        "threads": "1 where nothing else is said",
        "accelerator": accelerator(),
        "lr_widget": lr_widget.__version__,
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "rivals": {r.package: r.version or "not installed" for r in RIVALS},
    }


def processor() -> str:
    """The model of the CPU."""
    for line in lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory() -> str:
    """Main memory, in all."""
    return f"{total / 2**30:.1f} GiB" if (total := meminfo("MemTotal")) else "unknown"


def meminfo(name: str) -> int:
    """Bytes that a line of /proc/meminfo has; 0 where there is no such line."""
    for line in lines("/proc/meminfo"):
        if line.startswith(f"{name}:"):
            return 1024 * int(line.split()[1])
    return 0


def accelerator() -> str:
    """The name of the first CUDA device, or none."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "none"


def lines(path: str) -> list[str]:
    """A file's lines; none, where the system has no such file."""
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []
