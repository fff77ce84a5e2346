"""Train on several machines, or with several processes of this one.

    single-shot launch --hosts hosts.txt -- train prepared --out run

hosts.txt has a line for each machine, its name or address, as Open MPI reads it; `slots=2` has two
workers there. Open MPI's mpirun starts the processes, by ssh: the project and the data have to be
at the same place on all machines. Without --hosts all runs on this machine, without mpirun. What
worker 0 says is shown. When a process dies or hangs, the job ends with a message that names it, and
the same command goes on from the last checkpoint, which worker 0 writes.
"""

import contextlib
import ctypes
import json
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import IO

from single_shot import command
from single_shot.answer import Answer
from single_shot.arguments import number, program
from single_shot.cluster.hosts import Host, address_for, is_this_machine, placed, read_hosts
from single_shot.cluster.job import LEAST_PATIENCE, PATIENCE, PORTS, RANKS, Job
from single_shot.cluster.messages import LOOPBACK, START, free_port
from utils.compat import SHARING_VARIABLE, core_count
from utils.files import InputError

ALONE = Host("localhost", 2)
GRACE = 5  # seconds for the other processes to end by themselves once one has failed
MEMBER = ("-m", "single_shot.cluster")
MPIRUN_MISSING = (
    "mpirun is not here: install Open MPI on every machine (Debian, Ubuntu: apt-get install "
    "openmpi-bin), or leave --hosts out to train on this machine alone"
)
PR_SET_PDEATHSIG = 1  # of prctl


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of this part to a parser."""
    add = parser.add_argument
    add("--hosts", type=Path, metavar="HOSTFILE", help="default: this machine alone")
    workers_help = "default: as many as the hosts' slots; two on this machine alone"
    add("--workers", type=number(1), metavar="N", help=workers_help)
    servers_help = "keep the weights, spread over the hosts; default: one for each host"
    add("--servers", type=number(1), metavar="N", help=servers_help)
    port_help = "of the first host, where the processes meet; default: one that is free here"
    add("--port", type=number(*PORTS), metavar="N", help=port_help)
    patience_help = "seconds of silence after which a process counts as hung"
    least = number(LEAST_PATIENCE)
    add("--patience", type=least, default=PATIENCE, metavar="SECONDS", help=patience_help)
    add("words_of_part", nargs="+", metavar="-- train ...", help="what each worker does")


def run(options: Namespace) -> Answer:
    """Start the processes of a job and wait for them; return the Answer of worker 0."""
    words = options.words_of_part + ["--json"] * options.json
    if words[0] != "train":
        raise InputError(f"-- {words[0]}: only train is done by several processes")
    command.parse(words)  # a mistake in them is told here, once
    hosts = read_hosts(options.hosts) if options.hosts else [ALONE]
    alone = all(is_this_machine(host.name) for host in hosts)
    slots = sum(host.slots for host in hosts)
    job = Job(
        root=LOOPBACK if alone else address_for(hosts),
        port=options.port or free_port(),
        num_servers=options.servers or len(hosts),
        num_workers=options.workers or slots,
        name=secrets.token_hex(8),
        patience=options.patience,
    )
    with tempfile.TemporaryFile("w+") as output:
        status = (run_here if alone else run_by_mpirun)(job, hosts, words, output)
        output.seek(0)
        text = output.read()
    if status == command.DONE:
        return Answer(text.rstrip(), json.loads(text) if options.json else {})
    text = f"the job has ended too early; mend what is named, and {after_stop(options)}"
    return Answer(text, {"status": status}, status)


def environment_of(job: Job, sharing: int) -> dict[str, str]:
    """Return the environment of a job's processes; sharing: the number of workers of a machine."""
    environment = os.environ | job.environment() | {SHARING_VARIABLE: str(sharing)}
    if environment.get("OMP_NUM_THREADS") == str(core_count()):
        del environment["OMP_NUM_THREADS"]  # what `import utils` has set in this process
    return environment


def run_here(job: Job, hosts: list[Host], words: list[str], output: IO[str]) -> int:
    """Run all processes of a job on this machine until they end; return the exit status."""
    environment = environment_of(job, job.num_workers)
    processes = []
    try:
        for rank in range(job.size):
            processes.append(
                subprocess.Popen(
                    [sys.executable, *MEMBER, *words],
                    env=environment | {RANKS[0]: str(rank)},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    start_new_session=True,  # Ctrl-C is for this process
                    preexec_fn=die_with_parent,
                )
            )
        return wait_for(processes, job)
    finally:
        for process in processes:
            process.kill()
            process.wait()


def die_with_parent() -> None:
    """Have the system end this process when its parent ends, whatever ends that."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def wait_for(processes: list[subprocess.Popen], job: Job) -> int:
    """Wait until all processes have ended, or one has failed, which the others then soon notice."""
    while True:
        statuses = [process.poll() for process in processes]
        if any(statuses) or None not in statuses:
            break
        time.sleep(0.1)
    for rank, status in enumerate(statuses):
        if status and status < 0:
            text = f"single-shot launch: {job.title(rank)}: {signal.strsignal(-status)}"
            print(text, file=sys.stderr, flush=True)
    end = time.monotonic() + GRACE
    while any(process.poll() is None for process in processes) and time.monotonic() < end:
        time.sleep(0.1)
    return exit_status([process.poll() for process in processes])


def exit_status(statuses: list[int | None]) -> int:
    """Return that of a job, from those of its processes; None: it has yet to end."""
    if not any(status is None or status for status in statuses):
        return command.DONE
    return command.UNUSABLE if command.UNUSABLE in statuses else command.FAILED


def run_by_mpirun(job: Job, hosts: list[Host], words: list[str], output: IO[str]) -> int:
    """Run the processes of a job on several machines until they end; return the exit status."""
    mpirun = shutil.which("mpirun")
    if mpirun is None:
        raise InputError(MPIRUN_MISSING)
    process = subprocess.Popen(
        [mpirun, *mpirun_options(job), *mpirun_processes(job, hosts, words)],
        env=environment_of(job, 1),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=die_with_parent,
    )
    failed = threading.Event()
    relaying = threading.Thread(target=relay, args=(process.stderr, failed), daemon=True)
    relaying.start()
    try:
        while process.poll() is None and not failed.wait(0.1):
            pass
        return exit_status([process.wait(GRACE if failed.is_set() else None)])
    except subprocess.TimeoutExpired:  # it waits for a host that is cut off
        return command.FAILED
    finally:
        process.terminate()  # which ends all that it has started
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
        process.kill()
        process.wait()
        relaying.join(GRACE)


def relay(errors: IO[bytes], failed: threading.Event) -> None:
    """Show what mpirun and the processes say; note when one of them says why the job ends."""
    while content := os.read(errors.fileno(), 1 << 16):
        print(content.decode(errors="replace"), end="", file=sys.stderr, flush=True)
        if b"single-shot launch: " in content:
            failed.set()


def mpirun_options(job: Job) -> list[str]:
    """Return the options of mpirun for a job as a whole."""
    options = ["--oversubscribe", "--bind-to", "none"]
    options += ["--mca", "orte_startup_timeout", str(START * job.patience)]
    if "OMPI_MCA_plm_rsh_agent" not in os.environ:  # then it is ssh: the first count
        ours = f"-o BatchMode=yes -o ConnectTimeout={job.patience}"
        given = os.environ.get("OMPI_MCA_plm_rsh_args", "")  # noqa: SIM112  Open MPI's own spelling
        options += ["--mca", "plm_rsh_args", f"{given} {ours}".strip()]
    if os.geteuid() == 0:
        options.append("--allow-run-as-root")
    for name in job.environment():
        options += ["-x", name]
    return options


def mpirun_processes(job: Job, hosts: list[Host], words: list[str]) -> list[str]:
    """Return mpirun's words for the processes of a job, host by host, in the order of ranks."""
    arguments: list[str] = []
    for host, count, sharing in placed(job, hosts):
        arguments += [":"] * bool(arguments) + ["-np", str(count), "--host", f"{host}:{count}"]
        arguments += ["-x", f"{SHARING_VARIABLE}={sharing}", sys.executable, *MEMBER, *words]
    return arguments


def after_stop(options: Namespace) -> str:
    """Return what Ctrl-C left."""
    return f"go on with the command:\n{program()} {shlex.join(options.words)}"
