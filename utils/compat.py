"""Everything that must happen before `import mxnet`, and the only place that knows about it.

MXNet 1.9.1 is the last release. It looks up names that NumPy has since removed, it starts half as
many threads as there are processors, its builds expect the CUDA 11 libraries or those of a compiler
on the loader's path, it imports packages that it does not need, and it writes and compiles a
function for each operator at every start. `prepare` mends all five and changes nothing that is
already right.
"""

import atexit
import ctypes
import functools
import gc
import hashlib
import importlib.util
import marshal
import os
import re
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from utils.files import replace_atomically

# Names that MXNet 1.9.1 or GluonCV 0.10.5 read from NumPy -> the name of today with that meaning.
RENAMED = {
    "alltrue": "all",
    "sometrue": "any",
    "product": "prod",
    "round_": "round",
    "in1d": "isin",
    "trapz": "trapezoid",
    "Inf": "inf",
    "PINF": "inf",
    "NaN": "nan",
    "NAN": "nan",
}
# Names that were once another spelling of a Python type, or a constant without a new name.
VALUES = {
    "bool": bool,
    "int": int,
    "float": float,
    "NINF": float("-inf"),
    "PZERO": 0.0,
    "NZERO": -0.0,
}
# Functions that MXNet only passes on: NumPy gave them up for good, nobody here calls them.
WITHDRAWN = ("mirr", "npv", "pmt", "ppmt", "pv", "rate")

# The pip packages' CUDA 11 libraries, each after those that it needs itself.
CUDA_LIBRARIES = (
    "cuda_runtime/lib/libcudart.so.11.0",
    "cuda_nvrtc/lib/libnvrtc.so.11.2",
    "nvtx/lib/libnvToolsExt.so.1",
    "cublas/lib/libcublasLt.so.11",
    "cublas/lib/libcublas.so.11",
    "cufft/lib/libcufft.so.10",
    "curand/lib/libcurand.so.10",
    "cusparse/lib/libcusparse.so.11",
    "cusolver/lib/libcusolver.so.11",
    "nccl/lib/libnccl.so.2",
    "cudnn/lib/libcudnn.so.8",
)


# Libraries of the GNU compilers that MXNet's CPU build needs and systems without a compiler lack:
# where other packages of the lock carry them, under names that only those packages know.
BORROWED = {
    "libgomp.so.1": "scikit_learn.libs/libgomp-*.so.*",
    "libquadmath.so.0": "opencv_python_headless.libs/libquadmath-*.so.*",
}
# How long a waiting thread of libgomp spins before it sleeps. By default it spins for milliseconds,
# which takes the processor away from whoever else runs, MXNet's own other threads among them.
SPIN_COUNT = "1000"
SHARING_VARIABLE = "SINGLE_SHOT_SHARING"  # how many processes share the cores
COMMANDS = (["data"], ["single_shot"])  # of `python -m`
ROOT = Path(__file__).resolve().parents[1]


class QuickImport:
    """Makes `import mxnet` take half of its time, with which each command and kernel begins.

    Packages that MXNet takes only if they are there are hidden from it meanwhile. Its quantisation
    misses one in one mode: who calibrates by entropy sets `mxnet.contrib.quantization.stats` to
    `scipy.stats`. The modules that write functions are loaded by CompiledOnce, MXNet by Lasting.
    """

    hidden = ("sklearn", "scipy.stats")
    writing = ("mxnet.ndarray.register", "mxnet.symbol.register")

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: object = None
    ) -> ModuleSpec | None:
        """Take part in an import as one of `sys.meta_path`; ImportError for what is hidden."""
        if name in cls.hidden and is_importing("mxnet"):
            raise ImportError(f"{name} is left out by utils.compat")
        if name != "mxnet" and name not in cls.writing:
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.origin is not None:
            loader = CompiledOnce if name in cls.writing else Lasting
            spec.loader = loader(name, spec.origin)
        return spec


class Lasting(SourceFileLoader):
    """Loads a package whose 80,000 objects live as long as the process.

    The collector of garbage would look through them again and again, during the import and later.
    """

    def exec_module(self, module: ModuleType) -> None:
        """Run the package with the collector paused, which then passes over all that is there."""
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            super().exec_module(module)
        finally:
            if was_enabled:
                gc.enable()
        gc.freeze()


class CompiledOnce(SourceFileLoader):
    """Loads a module that writes functions and has `exec` compile them; keeps what that gives.

    From start to start the texts differ in the address of their operator alone, so they are kept
    with PLACEHOLDER in its place. They lie beside the module's own compiled file, with which Python
    has the same trust, and not where it may write none (PYTHONDONTWRITEBYTECODE).
    """

    CALL = re.compile(r"return _(?:imperative_invoke|symbol_creator)\((\d+)")
    PLACEHOLDER = 2**62

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, whose `exec` is ours."""
        path = Path(importlib.util.cache_from_source(self.path)).with_suffix(".functions")
        kept = read_functions(path)
        known = len(kept)
        vars(module)["exec"] = functools.partial(self.run, kept, vars(module))
        super().exec_module(module)
        # Others have it write functions until MXNet is imported.
        atexit.register(lambda: write_functions(path, kept) if len(kept) > known else None)

    def run(
        self, kept: dict[bytes, CodeType], names: dict, source: str, _: None, results: dict
    ) -> None:
        """Stand for `exec(source, None, results)` in a module with these names."""
        call = self.CALL.search(source)
        if call is None:
            exec(source, names, results)
            return
        start, end = call.span(1)
        text = f"{source[:start]}{self.PLACEHOLDER}{source[end:]}"
        key = hashlib.blake2b(text.encode(), digest_size=16).digest()
        if key not in kept:
            kept[key] = compile(text, "<string>", "exec")
        exec(self.at(int(call[1]), kept[key]), names, results)

    def at(self, address: int, code: CodeType) -> CodeType:
        """Return code with an address in place of PLACEHOLDER, in functions within it too."""
        values = [address if each == self.PLACEHOLDER else each for each in code.co_consts]
        values = [self.at(address, each) if isinstance(each, CodeType) else each for each in values]
        return code.replace(co_consts=tuple(values))


def read_functions(path: Path) -> dict[bytes, CodeType]:
    """Return what CompiledOnce kept in a file, nothing where that is absent or spoiled."""
    with suppress(OSError, EOFError, TypeError, ValueError):
        kept = marshal.loads(path.read_bytes())
        if isinstance(kept, dict):
            return kept
    return {}


def write_functions(path: Path, kept: dict[bytes, CodeType]) -> None:
    """Keep what CompiledOnce has for the next start, where Python may write compiled files."""
    if sys.dont_write_bytecode:
        return
    with suppress(OSError):  # in an environment of somebody else, say
        replace_atomically(path, lambda temporary: Path(temporary).write_bytes(marshal.dumps(kept)))


def is_importing(name: str) -> bool:
    """Return whether a module's own code is running just now."""
    return getattr(getattr(sys.modules.get(name), "__spec__", None), "_initializing", False)


def enter_environment(arguments: Sequence[str]) -> None:
    """Begin a command of COMMANDS anew with .venv's Python, if this one lacks MXNet.

    arguments: of this process, with the interpreter. The doctor stays, to tell where it is.
    """
    words = module_and_words(arguments) if sys.argv[:1] == ["-m"] else []
    to_doctor = words[:2] == ["single_shot", "doctor"]
    if words[:1] not in COMMANDS or to_doctor or importlib.util.find_spec("mxnet"):
        return
    python = ROOT / ".venv" / "bin" / "python"
    if not python.exists() or Path(sys.prefix) == python.parents[1]:
        sys.exit(
            f"MXNet is not installed here: run `make setup` in {ROOT}, then repeat the command"
        )
    os.execv(python, [str(python), "-m", *words])


def module_and_words(arguments: Sequence[str]) -> list[str]:
    """Return the module that Python was started with and what follows, from `sys.orig_argv`.

    As in `-m NAME WORD`, `-mNAME WORD` and `-um NAME WORD`.
    """
    for place, word in enumerate(arguments):
        if found := re.fullmatch(r"-[a-zA-VY-Z]*?m(.*)", word):  # W and X take the rest of a word
            return [*filter(None, found.groups()), *arguments[place + 1 :]]
    return []


def prepare() -> None:
    """Make `import mxnet` work, quick and with every core; `utils` calls it before that import."""
    enter_environment(sys.orig_argv)
    if "mxnet" in sys.modules and "OMP_NUM_THREADS" not in os.environ:
        warnings.warn(
            "MXNet was imported before utils and runs on half of the processors: "
            "put `import utils` first",
            stacklevel=2,
        )
    sharing = int(os.environ.get(SHARING_VARIABLE, 1))
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, core_count() // sharing)))
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = SPIN_COUNT  # libgomp reads it when it is loaded
    borrow_libraries()
    preload_cuda_libraries()
    if QuickImport not in sys.meta_path:
        sys.meta_path.insert(0, QuickImport)
    if importlib.util.find_spec("numpy") is not None:  # without NumPy the doctor has to run
        import numpy

        restore_numpy_names(numpy)


def restore_numpy_names(numpy: ModuleType) -> list[str]:
    """Give a NumPy module the removed names that MXNet and GluonCV still use.

    Args:
        numpy: the module; names that it has keep their value.
    Returns:
        The list of names that were missing and have been put back.
    """
    restored = []
    for name in (*RENAMED, *VALUES, "msort", *WITHDRAWN):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # looking at a deprecated name warns
            if hasattr(numpy, name):
                continue
        setattr(numpy, name, _replacement(numpy, name))
        restored.append(name)
    return restored


def _replacement(numpy, name):
    """Return what a removed NumPy name shall stand for."""
    if name in RENAMED:
        return getattr(numpy, RENAMED[name])
    if name in VALUES:
        return VALUES[name]
    if name == "msort":
        return functools.partial(numpy.sort, axis=0)
    return _withdrawn(name)


def _withdrawn(name):
    """Return a function that says that NumPy no longer has `name`."""

    def unavailable(*args, **kwargs):
        raise NotImplementedError(f"numpy.{name} has moved to the package numpy-financial")

    unavailable.__name__ = name
    return unavailable


def core_count() -> int:
    """Return how many physical cores this process may use, at least 1.

    The cores of the processors in the affinity mask, at most the CPU quota of the control group.
    """
    linux = hasattr(os, "sched_getaffinity")  # elsewhere the doctor has to run, not MXNet
    processors = os.sched_getaffinity(0) if linux else range(os.cpu_count() or 1)
    cores = {_siblings(processor) for processor in processors}
    return max(1, int(min(len(cores), _cpu_quota())))


def _siblings(processor, root=Path("/sys/devices/system/cpu")):
    """Return the text that names the processors of one core; the number alone if unknown."""
    try:
        return (root / f"cpu{processor}/topology/thread_siblings_list").read_text().strip()
    except OSError:
        return str(processor)


def control_groups(
    controller: str,
    root: Path = Path("/sys/fs/cgroup"),
    membership: Path = Path("/proc/self/cgroup"),
) -> list[Path]:
    """Return the folders of the control groups (version 1 or 2) whose limits hold for this process.

    controller: such as "cpu" or "memory". A limit of any of the folders holds.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return []
    folders = []
    for controllers, path in (line.split(":", 2)[1:] for line in lines):
        if controllers and controller not in controllers.split(","):
            continue
        base = root / controllers
        group = base / path.lstrip("/")
        for folder in (group, *group.parents):
            folders.append(folder)
            if folder == base:
                break
    return folders


def _cpu_quota(*places):
    """Return the control groups' limit in processors, infinity without one."""
    return min(map(_quota_of, control_groups("cpu", *places)), default=float("inf"))


def _quota_of(folder):
    """Return the limit that one control group sets, in processors; infinity if it sets none."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text()
            period = (folder / "cpu.cfs_period_us").read_text()
        limit = int(quota) / int(period)
    except (OSError, ValueError):  # no such file, or the word "max"
        return float("inf")
    return limit if limit > 0 else float("inf")


def borrow_libraries() -> list[str]:
    """Load those BORROWED libraries that the system lacks from the packages that carry them.

    Returns:
        The names that were borrowed.
    """
    borrowed = []
    for name, pattern in BORROWED.items():
        if not can_load(name):
            copies = (path for folder in sys.path for path in sorted(Path(folder).glob(pattern)))
            path = next(copies, None)
            if path is not None:
                load_as(name, path)
                borrowed.append(name)
    return borrowed


def can_load(name: str) -> bool:
    """Return whether the loader finds a library."""
    try:
        ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
    except OSError:
        return False
    return True


def load_as(name: str, path: Path) -> None:
    """Load a library under another name, by which others that need it will find it.

    A library is known by the name that is written in it, so a copy in memory gets the other one.
    """
    own, wanted = path.name.encode() + b"\0", name.encode()
    content = path.read_bytes().replace(own, wanted.ljust(len(own), b"\0"))
    file = os.memfd_create(name)
    if os.write(file, content) < len(content):  # a limit on the size of files
        return
    # It stays open: the loader would take the next file of this number for the one it knows.
    ctypes.CDLL(f"/proc/self/fd/{file}", mode=ctypes.RTLD_GLOBAL)


def preload_cuda_libraries() -> list[Path]:
    """Load the CUDA 11 libraries that pip packages carry, so that the GPU build finds them.

    Returns:
        The list of paths that were loaded; empty where the packages are not installed.
    """
    loaded = []
    for path in installed_cuda_libraries():
        try:
            ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
        except OSError as error:
            warnings.warn(f"CUDA library {path} cannot be loaded: {error}", stacklevel=2)
        else:
            loaded.append(path)
    return loaded


def installed_cuda_libraries() -> list[Path]:
    """Return the paths of those CUDA_LIBRARIES that pip packages have installed, in that order."""
    spec = importlib.util.find_spec("nvidia")
    folders = [Path(folder) for folder in (spec and spec.submodule_search_locations) or []]
    paths = (folder / library for library in CUDA_LIBRARIES for folder in folders)
    return [path for path in paths if path.exists()]
