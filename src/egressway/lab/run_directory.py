"""Where a running lab keeps what `lab run` and `lab down` need to find it, and what its processes write.

::

    /run/egressway-lab/
      topology              the text it was built from
      logs/NAME.log         output of each process
      pids/NAME             its process id
      NAME/                 a directory for each process: configuration, data, sockets
    /run/egressway-lab.lock held by whoever builds, runs scenarios in, or removes the lab
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from egressway.lab.errors import LabError
from egressway.lab.topology import Topology, parse_topology

__all__ = ["DEFAULT", "PREFIX", "RunDirectory"]

PREFIX: Final = "egw-"
"""All namespaces of the lab begin with it."""


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """One lab's."""

    path: Path

    @property
    def topology_file(self) -> Path:
        """What the lab was built from; its presence means there is a lab, whole or in part."""
        return self.path / "topology"

    @property
    def ready_file(self) -> Path:
        """Written when everything is up."""
        return self.path / "ready"

    @property
    def is_ready(self) -> bool:
        """The lab was built to its end."""
        return self.ready_file.exists()

    def topology(self) -> Topology:
        """Of the lab that is there."""
        if not self.is_ready:
            raise LabError("there is no lab. Start one with `egressway lab up`.")
        return parse_topology(self.topology_file.read_text("utf-8"))

    def create(self, topology: Topology) -> None:
        """Make it for a new lab."""
        for each in ("logs", "pids"):
            (self.path / each).mkdir(parents=True, exist_ok=True)
        self.topology_file.write_text(topology.text, "utf-8")

    def of(self, process: str) -> Path:
        """The directory of one process, made when it is first asked for."""
        path = self.path / process
        path.mkdir(mode=0o755, exist_ok=True)
        return path

    def log(self, process: str) -> Path:
        """Where a process writes its output."""
        return self.path / "logs" / f"{process}.log"

    def pid_file(self, process: str) -> Path:
        """Where the id of a process stands."""
        return self.path / "pids" / process

    def mount_memory(self, path: Path, mebibytes: int) -> None:
        """A small file system of its own for `path`, so that it can be filled up."""
        path.mkdir(parents=True, exist_ok=True)
        size = f"size={mebibytes}m,mode=0700"
        subprocess.run(["mount", "-t", "tmpfs", "-o", size, "egressway-lab", str(path)], check=True)  # noqa: S603, S607

    def remove(self) -> None:
        """All of it, file systems included."""
        for path in self._mounted():
            subprocess.run(["umount", "--lazy", str(path)], check=True)  # noqa: S603, S607
        shutil.rmtree(self.path, ignore_errors=True)

    def _mounted(self) -> list[Path]:
        points = (Path(line.split()[1]) for line in Path("/proc/mounts").read_text().splitlines())
        return [point for point in points if point.is_relative_to(self.path)]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else changes the lab meanwhile; the lock ends with the process, however it ends."""
        file = self.path.with_suffix(".lock")
        with file.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as busy:
                raise LabError(
                    "another `egressway lab` command is at work. Wait for it, or end it."
                ) from busy
            try:
                yield
            finally:
                if not self.path.exists():
                    file.unlink(missing_ok=True)


DEFAULT: Final = RunDirectory(Path("/run/egressway-lab"))
