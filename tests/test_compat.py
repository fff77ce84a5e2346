"""utils.compat: NumPy's names, the number of threads, the CUDA libraries."""

import ast
import importlib.util
import marshal
import os
import subprocess
import sys
import types
from pathlib import Path

import utils  # noqa: F401  before NumPy's users
from utils import compat

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]


def run_python(code, **environment):
    """Run code in a fresh interpreter with the given variables; return what it prints."""
    inherited = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    child = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return child.stdout.strip()


def test_missing_names_are_put_back():
    names = ("all", "any", "prod", "round", "isin", "trapezoid", "inf", "nan", "sort")
    # NumPy 1 has no trapezoid, and does not need it: there trapz is at hand.
    numpy = types.SimpleNamespace(**{name: getattr(np, name, None) for name in names})
    restored = compat.restore_numpy_names(numpy)
    assert len(restored) == len(set(restored)) == 23
    assert numpy.bool is bool and numpy.float is float and numpy.int is int
    assert numpy.product is np.prod and numpy.in1d is np.isin and numpy.alltrue is np.all
    assert numpy.Inf == numpy.PINF == -numpy.NINF == float("inf") and np.isnan(numpy.NaN)
    assert np.signbit(numpy.NZERO) and not np.signbit(numpy.PZERO)
    np.testing.assert_array_equal(numpy.msort(np.array([[3, 1], [2, 5]])), [[2, 1], [3, 5]])
    with pytest.raises(NotImplementedError, match="numpy.pmt"):
        numpy.pmt(0.1, 2, 3)


def test_nothing_is_touched_where_nothing_is_missing():
    assert compat.restore_numpy_names(np) == []  # importing utils has mended this one already
    names = (*compat.RENAMED, *compat.VALUES, *compat.WITHDRAWN, "msort")
    numpy = types.SimpleNamespace(**{name: object() for name in names})
    before = dict(vars(numpy))
    assert compat.restore_numpy_names(numpy) == []
    assert vars(numpy) == before


def test_numpy_1_23_needs_nothing():
    if not np.__version__.startswith("1.23."):
        pytest.skip("needs NumPy 1.23, which has every name")
    code = "import numpy; before = dict(vars(numpy)); import utils; print(before == vars(numpy))"
    assert run_python(code) == "True"


@pytest.mark.filterwarnings("ignore")  # reading old code and looking at old names warns
@pytest.mark.parametrize("package", ["mxnet", "gluoncv"])
def test_every_numpy_name_that_the_package_reads_exists(package):
    """Read the package's source for `np.name` and look each name up."""
    folder = Path(__import__(package).__file__).parent
    names = set()
    for path in folder.rglob("*.py"):
        tree = ast.parse(path.read_bytes())
        aliases = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import)
            for alias in node.names
            if alias.name == "numpy"
        }
        names |= {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in aliases
        }
    assert len(names) > 50
    # np.compat is read only where MXNet saves text under Python 2.
    assert [name for name in sorted(names - {"compat"}) if not hasattr(np, name)] == []


def test_mxnet_imports_no_statistics_but_others_may():
    code = (
        "import sys, utils, mxnet\n"
        "print([name for name in ('sklearn', 'scipy.stats') if name in sys.modules])\n"
        "import sklearn.base, scipy.stats\n"
        "print(hasattr(sklearn.base, 'BaseEstimator'), scipy.stats.norm.cdf(0))"
    )
    assert run_python(code).split() == ["[]", "True", "0.5"]


def test_the_collector_of_garbage_passes_over_mxnet_and_goes_on():
    code = "import gc, utils, mxnet; print(gc.isenabled(), gc.get_freeze_count() > 50_000)"
    assert run_python(code).split() == ["True", "True"]
    code = "import gc, utils; gc.disable(); import mxnet; print(gc.isenabled())"
    assert run_python(code).split() == ["False"]


FUNCTIONS = """
import hashlib, inspect
from mxnet import nd, sym
digest = hashlib.sha256()
for space in (nd, nd.contrib, nd._internal, sym, sym.contrib, sym._internal):
    for name, each in sorted(vars(space).items()):
        if inspect.isfunction(each):
            digest.update(f"{name} {inspect.signature(each)} {each.__doc__}".encode())
print(digest.hexdigest(), nd.relu(nd.array([-1, 2])).asnumpy(), sym.relu(sym.var("x")).name)
"""


def test_the_functions_of_mxnet_are_those_that_it_writes():
    plain = "import numpy, utils.compat as compat; compat.restore_numpy_names(numpy)\n"
    plain += "import sys; sys.meta_path.remove(compat.QuickImport)\n"
    assert run_python("import utils\n" + FUNCTIONS) == run_python(plain + FUNCTIONS)


WRITES = """
def write(address, name):
    results = {}
    text = f"def {name}(x):\\n    def inner():\\n        return _imperative_invoke({address}, x)\\n"
    exec(text + "    return inner()", None, results)
    return results[name]

def _imperative_invoke(address, x):
    return address + x

def without_address():
    results = {}
    exec("def f():\\n    return 3", None, results)
    return results["f"]
"""


def test_a_function_is_compiled_once_for_all_addresses(tmp_path, monkeypatch):
    path = tmp_path / "register.py"
    path.write_text(WRITES)
    ends = []
    monkeypatch.setattr(compat.atexit, "register", ends.append)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)

    def start():
        spec = importlib.util.spec_from_file_location(
            "register", path, loader=compat.CompiledOnce("register", str(path))
        )
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    write = start().write
    assert [write(address, "f")(1) for address in (10, 2**60)] == [11, 2**60 + 1]
    ends.pop()()
    (kept,) = tmp_path.rglob("*.functions")
    with monkeypatch.context() as patch:
        patch.setattr("builtins.compile", None)  # which is not needed any more
        module = start()
        assert module.write(7, "f")(1) == 8 and module.write(7, "f").__name__ == "f"
        assert module.without_address()() == 3
        with pytest.raises(TypeError):
            module.write(7, "g")
    for spoiled in (b"", b"no code", kept.read_bytes()[:-9], marshal.dumps([1])):
        kept.write_bytes(spoiled)
        assert compat.read_functions(kept) == {}
        assert start().write(7, "f")(1) == 8


def test_where_python_writes_no_compiled_files_no_functions_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    compat.write_functions(tmp_path / "a.functions", {})
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (tmp_path / "file").touch()
    compat.write_functions(tmp_path / "file" / "a.functions", {})  # no place to write to
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    code = compile("1 + 2", "<string>", "eval")
    compat.write_functions(tmp_path / "a.functions", {b"key": code})
    assert eval(compat.read_functions(tmp_path / "a.functions")[b"key"]) == 3


def test_threads_are_the_cores_unless_the_user_says_otherwise():
    code = "import utils, os; print(os.environ['OMP_NUM_THREADS'])"
    assert run_python(code) == str(compat.core_count())
    assert run_python(code, OMP_NUM_THREADS="7") == "7"


def test_one_processor_in_the_affinity_mask_is_one_core():
    processor = min(os.sched_getaffinity(0))
    code = f"import os; os.sched_setaffinity(0, [{processor}]); from utils import compat"
    assert run_python(f"{code}; print(compat.core_count())") == "1"


def test_hyper_threads_count_once_and_the_quota_limits(monkeypatch):
    siblings = {0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"}
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(siblings))
    monkeypatch.setattr(compat, "_siblings", siblings.get)
    monkeypatch.setattr(compat, "_cpu_quota", lambda: float("inf"))
    assert compat.core_count() == 2
    for quota, cores in ((1.5, 1), (0.5, 1), (16.0, 2)):
        monkeypatch.setattr(compat, "_cpu_quota", lambda quota=quota: quota)
        assert compat.core_count() == cores


def write_files(folder, **contents):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name.replace("__", ".")).write_text(content)


def test_quota_of_control_groups_version_2(tmp_path):
    write_files(tmp_path, membership="0::/box/inner\n")
    write_files(tmp_path / "root/box", cpu__max="150000 100000\n")
    write_files(tmp_path / "root/box/inner", cpu__max="max 100000\n")
    assert compat._cpu_quota(tmp_path / "root", tmp_path / "membership") == 1.5


def test_quota_of_control_groups_version_1(tmp_path):
    write_files(tmp_path, membership="4:memory:/m\n3:cpu,cpuacct:/box\n1:name=systemd:/\n")
    files = {"cpu__cfs_quota_us": "300000\n", "cpu__cfs_period_us": "100000\n"}
    write_files(tmp_path / "root/cpu,cpuacct/box", **files)
    write_files(tmp_path / "root/memory/m", cpu__cfs_quota_us="1\n", cpu__cfs_period_us="1\n")
    assert compat._cpu_quota(tmp_path / "root", tmp_path / "membership") == 3
    write_files(tmp_path / "root/cpu,cpuacct/box", cpu__cfs_quota_us="-1\n")  # no limit
    assert compat._cpu_quota(tmp_path / "root", tmp_path / "membership") == float("inf")


def test_no_control_groups_is_no_quota(tmp_path):
    assert compat._cpu_quota(tmp_path, tmp_path / "absent") == float("inf")


def test_cuda_libraries_are_loaded_in_order(tmp_path, monkeypatch):
    """Stand-in packages: every library is found and loaded, each after those it needs."""
    for library in compat.CUDA_LIBRARIES:
        write_files((tmp_path / "nvidia" / library).parent)
        (tmp_path / "nvidia" / library).touch()
    (tmp_path / "nvidia" / compat.CUDA_LIBRARIES[0]).unlink()  # not installed
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "nvidia", raising=False)
    loaded = []
    monkeypatch.setattr(compat.ctypes, "CDLL", lambda path, mode: loaded.append((path, mode)))
    paths = compat.preload_cuda_libraries()
    expected = [tmp_path / "nvidia" / library for library in compat.CUDA_LIBRARIES[1:]]
    assert [path for path in paths if tmp_path in path.parents] == expected
    assert loaded == [(str(path), compat.ctypes.RTLD_GLOBAL) for path in paths]


def test_a_broken_cuda_library_is_named(tmp_path, monkeypatch):
    broken = tmp_path / "libcudart.so.11.0"
    broken.write_text("not a library")
    monkeypatch.setattr(compat, "installed_cuda_libraries", lambda: [broken])
    with pytest.warns(UserWarning, match="libcudart.so.11.0 cannot be loaded"):
        assert compat.preload_cuda_libraries() == []


def test_mxnet_before_utils_is_reported():
    code = "import sys; sys.modules['mxnet'] = sys; import warnings; warnings.simplefilter('error')"
    with pytest.raises(subprocess.CalledProcessError) as failure:
        run_python(f"{code}; import utils")
    assert "put `import utils` first" in failure.value.stderr


def test_utils_imports_without_numpy():
    code = "import sys; sys.modules['numpy'] = None; import utils; print('imported')"
    block = "import importlib.util as u; f = u.find_spec; "
    block += "u.find_spec = lambda name: None if name == 'numpy' else f(name); "
    assert run_python(block + code) == "imported"


def run_code(code):
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_what_is_borrowed_is_found_under_the_names_that_are_needed():
    """The packages' copies under names that no system has: who needs these finds them then."""
    strangers = {f"x{name[1:]}": pattern for name, pattern in compat.BORROWED.items()}
    code = f"from utils import compat\ncompat.BORROWED = {strangers}\n"
    code += "assert not any(map(compat.can_load, compat.BORROWED))\n"
    code += "assert compat.borrow_libraries() == list(compat.BORROWED)\n"
    code += "assert all(map(compat.can_load, compat.BORROWED))\n"
    child = run_code(code)
    assert child.returncode == 0, child.stderr


def test_who_imports_the_library_borrows():
    strangers = {f"y{name[1:]}": pattern for name, pattern in compat.BORROWED.items()}
    code = f"from utils import compat\ncompat.BORROWED = {strangers}\ncompat.prepare()\n"
    code += "assert all(map(compat.can_load, compat.BORROWED))\n"
    child = run_code(code)
    assert child.returncode == 0, child.stderr


def test_nothing_is_borrowed_where_the_system_has_it(monkeypatch):
    monkeypatch.setattr(compat, "can_load", lambda name: True)
    assert compat.borrow_libraries() == []


def test_waiting_threads_soon_sleep_unless_the_user_says_otherwise(monkeypatch):
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    code = "import utils, os; print(os.environ.get('GOMP_SPINCOUNT'))"
    assert run_code(code).stdout == f"{compat.SPIN_COUNT}\n"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert run_code(code).stdout == "None\n"
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    assert run_code(code).stdout == "7\n"
