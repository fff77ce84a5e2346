"""What every lesson must keep to: functions that take a notebook and return what is wrong with it.

Each returns a list of sentences, empty for a good lesson, so that a test can show all of them and
another test can see that a spoiled lesson does not pass.
"""

import ast
import copy
import functools
import json
import re
import statistics
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TAGS = {"nbval-ignore-output"}
# Entries, least and most.
SECTIONS = {"Remarks": (1, 9), "Summary": (3, 5), "Questions": (5, 5), "Exercises": (4, 6)}
MAX_BYTES = 1_600_000
MACHINE_PATH = re.compile(r"(?<![\w.])/(home|root|tmp|work|mnt|opt|srv|usr|var|Users)/")
NUMBER = re.compile(r"(?<![\w.])(\d+\.\d+|\d{2,})(?![\w.]*\d)")
NOT_PROSE = re.compile(r"```.*?```|`[^`]*`|\]\([^)]*\)|<!--.*?-->|\*[^*\n]+\*, \d{4}", re.DOTALL)


def code_cells(notebook):
    """Return the code cells, each with its number in the notebook, from 1."""
    cells = enumerate(notebook.cells, start=1)
    return [(number, cell) for number, cell in cells if cell.cell_type == "code"]


def markdown(notebook):
    """Return the text of all markdown cells."""
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def outputs(notebook):
    """Return every output, with the number of its cell."""
    return [(number, output) for number, cell in code_cells(notebook) for output in cell.outputs]


def words_before(notebook):
    """Return, for the number of each code cell, how many words of prose stand right before it."""
    counts, words = {}, 0
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == "code":
            counts[number], words = words, 0
        else:
            words += len(re.findall(r"\w+", cell.source))
    return counts


def marks(cell):
    """Return what a cell's metadata say that `make sync` should know."""
    return cell.metadata.get("single_shot", {})


def is_side_room(notebook):
    """Whether a notebook is a side room, whose number ends in a letter, which may be smaller."""
    return notebook.cells[0].id.partition("-")[0][-1].isalpha()


def check_prose(notebook):
    """Every code cell but those of the exercises has prose right before it, about 100 words."""
    exercises = {n for n, cell in code_cells(notebook) if {"stub", "check"} & set(marks(cell))}
    counts = {n: words for n, words in words_before(notebook).items() if n not in exercises}
    problems = [f"cell {cell}: {n} words before it" for cell, n in counts.items() if n < 50]
    median = statistics.median(counts.values())
    if not 60 <= median <= 150:
        problems.append(f"{median:.0f} words before a code cell in the median, not 60 to 150")
    return problems


def check_code_length(notebook):
    """Code cells are short: none over 30 lines and, the imports apart, in the median 8 at most.

    90 % have at most 15 lines. In side rooms, which show what the lessons leave out, the median is
    12 at most, and 70 % of the cells have at most 15 lines.
    """
    median, share = (12, 0.3) if is_side_room(notebook) else (8, 0.1)
    lengths = {n: len(re.findall(r"^.*\S", cell.source, re.M)) for n, cell in code_cells(notebook)}
    problems = [f"cell {n}: {length} lines" for n, length in lengths.items() if length > 30]
    lengths.pop(min(lengths))  # the imports
    if statistics.median(lengths.values()) > median:
        problems.append(f"{statistics.median(lengths.values())} lines in the median")
    if sum(length > 15 for length in lengths.values()) > share * len(lengths):
        problems.append(f"over {share:.0%} of the code cells have more than 15 lines: {lengths}")
    return problems


MOST_WORDS, MOST_LINES = 2500, 310
NOT_WORDS = re.compile(r"\$\$.*?\$\$|\$[^$\n]+\$|<[^>]+>|\]\([^)]*\)", re.DOTALL)  # formulas, links


def to_read(notebook):
    """Return how many words, lines of code and pictures stand before the questions."""
    words = lines = pictures = 0
    for cell in notebook.cells:
        text = cell.source.split("\n## Questions")[0]
        if cell.cell_type == "markdown":
            words += len(re.findall(r"\w[\w'’-]*", NOT_WORDS.sub("", text)))
        else:
            lines += len(re.findall(r"^.*\S", text, re.M))
            pictures += sum("image/png" in output.get("data", {}) for output in cell.outputs)
        if text != cell.source:
            break
    return words, lines, pictures


def check_length(notebook):
    """A lesson can be read at a sitting: so many words, and lines of code, before the questions."""
    words, lines, _ = to_read(notebook)
    problems = [f"{words} words, over {MOST_WORDS}"] if words > MOST_WORDS else []
    return problems + ([f"{lines} lines of code, over {MOST_LINES}"] if lines > MOST_LINES else [])


def check_minutes(notebook):
    """The minutes stated are those of the rule in notebooks/README.md, give or take six."""
    words, lines, pictures = to_read(notebook)
    stated = re.search(r"\*\*Time\.\*\* (\d+) minutes", notebook.cells[0].source)
    minutes = words / 200 + lines / 30 + pictures / 4
    if stated and abs(int(stated.group(1)) - minutes) > 6:
        return [f"{stated.group(1)} minutes are stated, {minutes:.0f} are needed"]
    return []


def check_execution(notebook):
    """Every code cell holds code and was executed once, in order."""
    problems = []
    for count, (number, cell) in enumerate(code_cells(notebook), start=1):
        if not cell.source.strip():
            problems.append(f"cell {number}: no code")
        if cell.execution_count != count:
            problems.append(f"cell {number}: executed as {cell.execution_count}, not as {count}")
    return problems


def check_outputs(notebook):
    """No error, no warning, no widget, nothing drawn past `figures.show`."""
    problems = []
    for number, output in outputs(notebook):
        mime_types = set(output.get("data", {}))
        if output.output_type == "error" or output.get("name") == "stderr":
            problems.append(f"cell {number}: {output.get('ename', 'stderr')}")
        for mime_type in mime_types - {"image/png", "text/plain", "text/html"}:
            problems.append(f"cell {number}: an output of type {mime_type}")
        if "<Figure" in output.get("data", {}).get("text/plain", ""):
            problems.append(f"cell {number}: a figure that `show` did not display")
    return problems


def check_alt_text(notebook):
    """Every picture can be read aloud."""
    problems = []
    for number, output in outputs(notebook):
        alt = output.get("metadata", {}).get("image/png", {}).get("alt", "")
        if "image/png" in output.get("data", {}) and len(alt) < 20:
            problems.append(f"cell {number}: the picture's alt text is {alt!r}")
    text = markdown(notebook)
    problems += [f"no alt text: {image}" for image in re.findall(r"!\[\s*\]\([^)]*\)", text)]
    images = re.findall(r"<img[^>]*>", text)
    return problems + [f"no alt text: {image}" for image in images if "alt=" not in image]


def check_early_picture(notebook):
    """One of the first five code cells shows a picture."""
    first = [number for number, _ in code_cells(notebook)[:5]]
    pictures = [n for n, output in outputs(notebook) if "image/png" in output.get("data", {})]
    return [] if set(first) & set(pictures) else ["no picture within the first five code cells"]


def check_opening(notebook):
    """The first cell is the heading and says what is built, what to know and how long it takes."""
    source = notebook.cells[0].source
    facts = {
        "a heading": r"\A# \w",
        "what you build": r"\*\*What you build\.\*\* \w",
        "what you need to know": r"\*\*What you need to know\.\*\* \w",
        "the minutes": r"\*\*Time\.\*\* \d+ minutes to read; it runs in .+ on two CPU cores",
    }
    return [
        f"the first cell lacks {name}"
        for name, form in facts.items()
        if not re.search(form, source)
    ]


def check_set_up(notebook):
    """The first code cell imports, seeds and picks context and profile; no other one imports."""
    (_, first), *others = code_cells(notebook)
    calls = ("seed_everything", "best_context()", "run_profile()", "use_style()")
    problems = [f"the first code cell lacks {call}" for call in calls if call not in first.source]
    for number, cell in others:
        if re.search(r"^\s*(import|from) ", cell.source, re.MULTILINE):
            problems.append(f"cell {number}: an import")
    return problems


def check_profile(notebook):
    """It was stored with the profile `class`, which the first code cell shows.

    What a cell that asks for the profile prints is not compared: another profile prints another.
    """
    (_, first), *_ = code_cells(notebook)
    shown = [output.get("data", {}).get("text/plain") for output in first.outputs]
    problems = []
    if shown != ["RunProfile(name='class')"]:
        problems.append(f"the first code cell shows {shown}")
    for number, cell in code_cells(notebook):
        asks = re.search(r"\bprofile\b", cell.source)
        prints = any("image/png" not in output.get("data", {}) for output in cell.outputs)
        if asks and prints and "nbval-ignore-output" not in cell.metadata.get("tags", []):
            problems.append(f"cell {number} prints by profile, and is compared")
    return problems


def check_sections(notebook):
    """The lesson ends with Remarks, Summary, Questions and Exercises of the right length."""
    text = markdown(notebook).split("<!-- links")[0]
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    if headings[-4:] != list(SECTIONS):
        return [f"the last sections are {headings[-4:]}, not {list(SECTIONS)}"]
    problems = []
    for name, (least, most) in SECTIONS.items():
        least -= name == "Exercises" and is_side_room(notebook)
        section = text.split(f"\n## {name}\n")[1].split("\n## ")[0]
        entries = len(
            re.findall(r"^(- |\d+\. |<details><summary>.+\?</summary>)", section, re.MULTILINE)
        )
        if not least <= entries <= most:
            problems.append(f"{name} has {entries} entries, not {least} to {most}")
    return problems


def check_exercises(notebook):
    """At least two exercises are code: a stub, then a cell that finds it open when stored."""
    cells = [cell for _, cell in code_cells(notebook)]
    problems, checked = [], []
    for stub, check in zip(cells, cells[1:]):
        number = marks(check).get("check")
        if number is None:
            continue
        checked.append(number)
        if marks(stub).get("stub") != number or "raise NotImplementedError" not in stub.source:
            problems.append(f"exercise {number}: no stub right before its check")
        if f"with self_check({number}):" not in check.source or "assert" not in check.source:
            problems.append(f"exercise {number}: the check does not assert in self_check({number})")
        text = "".join(output.get("text", "") for output in check.outputs)
        if not text.startswith(f"Exercise {number}: open."):
            problems.append(f"exercise {number}: the stored check says {text!r}, not `open`")
    if len(checked) < 2:
        problems.append(f"{len(checked)} exercises have a check, not two or more")
    return problems


def check_numbers(notebook):
    """Every number of two digits or more in the prose occurs somewhere in the lesson's code.

    That a cell asserts it is not checked: any code counts, comments too. Numbers in the opening
    cell, Remarks and what follows are not the lesson's own results.
    """
    text = markdown(notebook).split("\n## Remarks")[0].removeprefix(notebook.cells[0].source)
    prose = re.sub(
        r"^#.*$|[Ll]essons? [\d, and]+|\(\d\d\)", "", NOT_PROSE.sub("", text), flags=re.MULTILINE
    )
    code = "\n".join(cell.source for _, cell in code_cells(notebook))
    known = {float(number) for number in re.findall(r"\d+(?:\.\d+)?", code)}
    stated = set(NUMBER.findall(prose))
    return [f"no cell has the number {n}" for n in sorted(stated) if float(n) not in known]


def check_asserts(notebook):
    """At least half of the cells that are not definitions of the library assert something."""
    own = [cell for _, cell in code_cells(notebook)[1:] if not marks(cell)]
    asserting = [cell for cell in own if re.search(r"\bassert", cell.source)]
    return (
        [] if 2 * len(asserting) >= len(own) else [f"{len(asserting)} of {len(own)} cells assert"]
    )


def check_machine(notebook):
    """Nothing tells where it was executed, and the metadata are minimal."""
    problems = []
    for number, output in outputs(notebook):
        if MACHINE_PATH.search(
            json.dumps(output.get("text", "")) + json.dumps(output.get("data", {}))
        ):
            problems.append(f"cell {number}: a path of the machine in an output")
    metadata = notebook.metadata
    if metadata.get("kernelspec", {}).get("name") != "python3":
        problems.append("the kernel is not python3")
    if set(metadata) - {"kernelspec", "language_info"} or set(metadata.language_info) - {"name"}:
        problems.append(
            f"metadata: {sorted(metadata)}, {sorted(metadata.get('language_info', {}))}"
        )
    for number, cell in code_cells(notebook):
        if (
            set(cell.metadata) - {"tags", "single_shot"}
            or set(cell.metadata.get("tags", [])) - TAGS
        ):
            problems.append(f"cell {number}: metadata {dict(cell.metadata)}")
    return problems


def check_size(notebook):
    """The file stays small enough to read on a code host."""
    size = len(json.dumps(notebook))
    return [] if size < MAX_BYTES else [f"{size} bytes, not below {MAX_BYTES}"]


@functools.cache
def library_definitions():
    """Return the syntax trees of all that our packages define at top level: {module: {name: node}}.

    Modules of `utils` go without that name, as in the lessons' metadata.
    """
    found = {}
    for path in [
        p for name in ("data", "single_shot", "utils") for p in (ROOT / name).rglob("*.py")
    ]:
        nodes = ast.parse(path.read_text()).body
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removeprefix("utils.")
        found[module] = {n.name: n for n in nodes if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
    return found


def as_shown(tree):
    """Return a syntax tree as text, without docstrings and types of functions."""
    tree = copy.deepcopy(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node):
            node.body = node.body[1:]
    return ast.dump(tree)


def check_definitions(notebook):
    """A definition that the library has is shown as the library has it, in a cell that says so."""
    library, problems = library_definitions(), []
    for number, cell in code_cells(notebook):
        sources = marks(cell).get("source", [])
        expected = {name: module for module, _, name in (each.rpartition(".") for each in sources)}
        for node in ast.parse(cell.source).body:
            if not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                continue
            module = expected.get(node.name)
            if module is None and any(node.name in names for names in library.values()):
                problems.append(
                    f"cell {number}: {node.name} has its home in the library; mark its source"
                )
            if module and as_shown(node) != as_shown(library[module][node.name]):
                problems.append(f"cell {number}: {node.name} differs from {module}")
    return problems


def check_solutions(notebook):
    """Solutions: every exercise from 1 on in order, each followed by an answer; checks solved."""
    numbers = [marks(cell)["exercise"] for cell in notebook.cells if "exercise" in marks(cell)]
    problems = [] if numbers == [*range(1, len(numbers) + 1)] else [f"the exercises are {numbers}"]
    for cell, answer in zip(notebook.cells, [*notebook.cells[1:], None]):
        if "exercise" in marks(cell) and (answer is None or "exercise" in marks(answer)):
            problems.append(f"exercise {marks(cell)['exercise']} has no answer")
    for number, cell in code_cells(notebook):
        text = "".join(output.get("text", "") for output in cell.outputs)
        if "check" in marks(cell) and text != f"Exercise {marks(cell)['check']}: solved.\n":
            problems.append(f"cell {number}: {text!r}")
    return problems


COMMON_CHECKS = [  # of lessons and of solutions
    check_execution,
    check_outputs,
    check_alt_text,
    check_set_up,
    check_profile,
    check_machine,
    check_size,
    check_definitions,
]
LESSON_CHECKS = COMMON_CHECKS + [
    check_prose,
    check_code_length,
    check_length,
    check_minutes,
    check_early_picture,
    check_opening,
    check_sections,
    check_exercises,
    check_numbers,
    check_asserts,
]
SOLUTION_CHECKS = [*COMMON_CHECKS, check_solutions]
