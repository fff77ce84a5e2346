"""Every room has its own things: who may import whom, and what `utils` is for."""

import ast
import graphlib
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {"utils": {"utils"}, "single_shot": {"data", "single_shot", "utils"}}
MAY_IMPORT["data"] = MAY_IMPORT["single_shot"]
# What `import utils` and the commands are for: no lesson calls it by name.
SET_UP = "utils.compat"


def module_name(path):
    """Return the dotted name of a Python file of the project."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    module_name(path): ast.parse(path.read_text())
    for package in MAY_IMPORT
    for path in sorted((ROOT / package).rglob("*.py"))
}


def imports(tree, modules=MODULES):
    """Return pairs of module and name, or None for the whole, that code imports of ours."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {(alias.name, None) for alias in node.names if alias.name in modules}
        elif isinstance(node, ast.ImportFrom) and node.module in modules:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add((whole, None) if whole in modules else (node.module, alias.name))
    return found


def at_import(tree):
    """Return the modules of ours that are imported as soon as a module is."""
    nodes = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    return {module for module, _ in imports(ast.Module(nodes, []))}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_lead_one_way(package):
    for name, tree in MODULES.items():
        if name.partition(".")[0] == package:
            used = {module.partition(".")[0] for module, _ in imports(tree)}
            assert used <= MAY_IMPORT[package], name


def test_no_module_imports_itself_in_a_circle():
    graph = {name: at_import(tree) - {name} for name, tree in MODULES.items()}
    graphlib.TopologicalSorter(graph).prepare()  # or CycleError, which names the circle


def test_what_lessons_teach_knows_no_command_line_and_no_network():
    for name, tree in MODULES.items():
        if name.startswith("utils"):
            roots = {n.split(".")[0] for node in ast.walk(tree) for n in imported_names(node)}
            assert not roots & {"argparse", "requests", "socket", "urllib", "xml", "yaml"}, name


def imported_names(node):
    """Return the dotted names that an import statement names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def test_what_lessons_teach_can_be_surveyed():
    taught = [name for name in MODULES if name.startswith("utils.") and "figures" not in name]
    assert len(taught) <= 25


def definitions(tree):
    """Return the public names that a module defines."""
    names = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {each.id for each in node.targets if isinstance(each, ast.Name)}
    return {name for name in names if not name.startswith("_")}


def uses(tree):
    """Return pairs of module and name that code uses of ours."""
    found, whole = set(), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in MODULES:
            for alias in node.names:
                module = f"{node.module}.{alias.name}"
                if module in MODULES:
                    whole[alias.asname or alias.name] = module
                else:
                    found.add((node.module, alias.name))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found.add((whole.get(node.value.id), node.attr))
    return found - {use for use in found if use[0] is None}


def lesson_uses():
    """Return pairs of module and name of `utils` that a lesson imports or shows."""
    found = set()
    for path in ROOT.glob("notebooks/**/[0-9]*.ipynb"):
        cells = [c for c in json.loads(path.read_text())["cells"] if c["cell_type"] == "code"]
        found |= uses(ast.parse("\n".join("".join(cell["source"]) for cell in cells)))
        for cell in cells:
            for shown in cell["metadata"].get("single_shot", {}).get("source", []):
                module, _, name = shown.rpartition(".")
                found.add((f"utils.{module}", name))
    return found


def test_every_public_name_of_utils_is_for_a_lesson():
    """Imported or shown by a lesson, or by what a lesson imports or shows."""
    public = {
        (module, name)
        for module, tree in MODULES.items()
        if module.startswith("utils") and module != SET_UP
        for name in definitions(tree)
    }
    needed, seen = lesson_uses(), set()
    while needed:
        module, name = needed.pop()
        if (module, name) in seen or module not in MODULES:
            continue
        if module not in {each for each, _ in seen}:  # a module's own uses, once
            needed |= uses(MODULES[module])
            needed |= {
                (module, node.id)
                for node in ast.walk(MODULES[module])
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
            }
        seen.add((module, name))
    assert public - seen == set()


def unannotated(tree):
    """Yield the public functions of a module whose parameters or result state no type.

    Those of `hybrid_forward`, and of what it calls with `F`, are arrays or symbols.
    """
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from (f"{node.name}.{name}" for name in unannotated(node))
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            stated = [each.annotation is not None for each in arguments]
            of_object = arguments[:1] and arguments[0].arg in ("self", "cls")
            if node.name == "forward" or "F" in [each.arg for each in arguments]:
                continue
            if node.returns is None or not all(stated[bool(of_object) :]):
                yield node.name


@pytest.mark.parametrize("package", ["utils", "single_shot"])
def test_public_functions_state_their_types(package):
    found = {name: [*unannotated(tree)] for name, tree in MODULES.items() if package in name}
    assert {name: functions for name, functions in found.items() if functions} == {}
