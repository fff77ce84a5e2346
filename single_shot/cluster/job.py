"""A job: one scheduler, some servers and some workers, each a process with a rank."""

import hashlib
import math
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata

from single_shot.doctor import MXNET_PACKAGES, installed_version
from utils.compat import ROOT
from utils.files import InputError

# Who starts a process says its rank: `single-shot launch`, Open MPI, Slurm, Kubernetes.
RANKS = ("SINGLE_SHOT_RANK", "OMPI_COMM_WORLD_RANK", "SLURM_PROCID", "JOB_COMPLETION_INDEX")
PATIENCE, LEAST_PATIENCE = 30, 5
PORTS = 1, 65535  # least and greatest
PACKAGES = ("data", "single_shot", "utils")
SCHEDULER, SERVER, WORKER = "scheduler", "server", "worker"  # ps-lite's names of the roles


@dataclass(frozen=True)
class Job:
    """What all processes of a job know.

    root: address of the scheduler's host; port: of its watch; name: tells jobs apart that meet at
    a port; patience: seconds of silence after which a process counts as hung.
    """

    root: str
    port: int
    num_servers: int
    num_workers: int
    name: str = ""
    patience: int = PATIENCE

    @property
    def size(self) -> int:
        """The number of processes."""
        return 1 + self.num_servers + self.num_workers

    def role(self, rank: int) -> tuple[str, int]:
        """Return what the process of a rank is, and its number among those: servers come first."""
        if rank == 0:
            return SCHEDULER, 0
        if rank <= self.num_servers:
            return SERVER, rank - 1
        return WORKER, rank - 1 - self.num_servers

    def title(self, rank: int) -> str:
        """Return what messages call the process of a rank."""
        role, number = self.role(rank)
        return f"the {role}" if role == SCHEDULER else f"{role} {number}"

    def environment(self) -> dict[str, str]:
        """Return the variables by which `job_here` finds the job; ps-lite reads the first four."""
        return {
            "DMLC_PS_ROOT_URI": self.root,
            "DMLC_PS_ROOT_PORT": str(self.port),
            "DMLC_NUM_SERVER": str(self.num_servers),
            "DMLC_NUM_WORKER": str(self.num_workers),
            "SINGLE_SHOT_JOB": self.name,
            "SINGLE_SHOT_PATIENCE": str(self.patience),
        }


def job_here(variables: Mapping[str, str] = os.environ) -> tuple[Job, int]:
    """Return the Job that environment variables describe, and the rank of this process.

    Raises InputError for a variable that is missing or no number, and for one out of bounds.
    """

    def whole(name, default="", least=0, most=math.inf):
        text = variables.get(name, default)
        if not (text.isdecimal() and least <= int(text) <= most):
            bounds = f"from {least} on" if most == math.inf else f"from {least} to {most}"
            raise InputError(
                f"environment variable {name} is {text!r}: set it to a whole number {bounds}"
            )
        return int(text)

    root = variables.get("DMLC_PS_ROOT_URI")
    if not root:
        raise InputError(
            "environment variable DMLC_PS_ROOT_URI: set it to the first host's address"
        )
    job = Job(
        root=root,
        port=whole("DMLC_PS_ROOT_PORT", "", *PORTS),
        num_servers=whole("DMLC_NUM_SERVER"),
        num_workers=whole("DMLC_NUM_WORKER"),
        name=variables.get("SINGLE_SHOT_JOB", ""),
        patience=whole("SINGLE_SHOT_PATIENCE", str(PATIENCE), LEAST_PATIENCE),
    )
    names = [name for name in RANKS if name in variables]
    if not names:
        raise InputError(f"no rank: none of the environment variables {', '.join(RANKS)} is set")
    rank = whole(names[0])
    if rank >= job.size or not job.num_servers or not job.num_workers:
        raise InputError(
            f"rank {rank} of {job.num_servers} servers and {job.num_workers} workers: start one "
            f"process for each and one for the scheduler, {job.size} in all, with ranks from 0 on"
        )
    return job, rank


def facts_here() -> dict[str, str]:
    """Return what must be equal on all hosts: versions, and a checksum of the project's code."""
    mxnet = next(filter(None, map(installed_version, MXNET_PACKAGES)), "none")
    versions = {"MXNet": mxnet, "NumPy": metadata.version("numpy")}
    major, minor, _ = platform.python_version_tuple()
    digest = hashlib.sha256()
    for path in (path for name in PACKAGES for path in sorted((ROOT / name).rglob("*.py"))):
        digest.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return {"Python": f"{major}.{minor}", **versions, "code": digest.hexdigest()}
