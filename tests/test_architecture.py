"""The rules of the code base itself: which way imports point, and what must not import TensorFlow."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOOLS = sorted((ROOT / "tools").glob("*.py"))

# From the bottom up: a module may import those of its own floor and of the floors below.
FLOORS = [
    ["runtime", "cluster", "systems", "synthetic"],
    ["config"],
    ["geometry", "stereo"],
    ["networks"],
    ["detection"],
    ["losses", "drawing", "command_line"],
    ["features"],
    ["models"],
    ["data", "interop"],
    ["evaluation"],
    ["training", "using", "export", "demonstration"],
    ["adaptation"],
    ["benchmarks", "finetuning"],
    ["commands"],
]
LEVEL = {name: level for level, names in enumerate(FLOORS) for name in names}
ONE_DOOR = {
    "tensorflow_addons": "superpoint_tf/geometry/projective.py",
    "imgaug": "superpoint_tf/data/photometric_imgaug.py",
    "torch": "superpoint_tf/interop/pytorch.py",
    "ray": "superpoint_tf/cluster/ray_cluster.py",
    "pillow_heif": "superpoint_tf/data/photographs/reading.py",
    "scipy": "superpoint_tf/interop/matconvnet.py",
    "sklearn": "superpoint_tf/data/digits/digit_set.py",
    # what Windows, or other systems than it, do not have
    "fcntl": "superpoint_tf/runtime/operating_system.py",
    "msvcrt": "superpoint_tf/runtime/operating_system.py",
    "resource": "superpoint_tf/runtime/operating_system.py",
}


def imported_modules(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def part_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "superpoint_tf" and len(parts) > 1 and parts[1] in LEVEL else None


def test_the_package_has_folders_alone_each_on_a_floor():
    assert [path.name for path in (ROOT / "superpoint_tf").glob("*.py")] == ["__init__.py"]
    folders = {
        path.parent.relative_to(ROOT / "superpoint_tf").parts[0]
        for path in sources("superpoint_tf")[1:]
        if path.parent != ROOT / "superpoint_tf"
    }
    assert folders == set(LEVEL)


def test_no_import_points_to_a_floor_above():
    wrong = []
    for path in sources("superpoint_tf"):
        here = path.relative_to(ROOT / "superpoint_tf").parts[0]
        if here == "__init__.py":
            continue
        used = {part_of(name) for name in imported_modules(path)} - {None}
        wrong += [f"{path.relative_to(ROOT)} imports {name}" for name in used if LEVEL[str(name)] > LEVEL[here]]
    assert not wrong


def test_no_modules_import_each_other_in_a_circle():
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in sources("superpoint_tf")}
    arrows = {name: absolute_imports(path) & set(modules) for name, path in modules.items()}
    while free := [name for name, used in arrows.items() if not used & arrows.keys()]:
        for name in free:
            del arrows[name]
    assert not arrows, sorted(arrows)


def absolute_imports(path: Path) -> set[str]:
    """Return the modules of the package that a file imports, wherever in it."""
    package = ".".join(path.relative_to(ROOT).parent.parts)
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                source = f"{package}.{source}" if source else package
            names |= {source, *(f"{source}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def test_the_synthetic_package_imports_nothing_of_superpoint_tf():
    for path in sources("synthetic"):
        assert not any(name.split(".")[0] in ("superpoint_tf", "tensorflow") for name in imported_modules(path)), path


@pytest.mark.parametrize("library", ONE_DOOR)
def test_a_library_has_one_door(library: str):
    users = [
        path.relative_to(ROOT).as_posix()
        for path in sources("superpoint_tf", "synthetic", "tools")
        if any(name.split(".")[0] == library for name in imported_modules(path))
    ]
    assert users and all(user.startswith(ONE_DOOR[library]) for user in users), users


# what fails, or does something else, on Windows; `runtime/operating_system.py` has what to call instead
NOT_ON_WINDOWS = {
    "os": ("replace", "rename", "pread", "fork", "kill", "getuid", "geteuid", "getloadavg", "sched_getaffinity"),
    "signal": ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGKILL", "SIGALRM", "alarm", "setitimer", "pthread_sigmask"),
}
GUARDED = {"superpoint_tf/benchmarks/machine.py": "getloadavg"}


def test_what_windows_does_otherwise_is_called_in_one_place_alone():
    door, wrong = "superpoint_tf/runtime/operating_system.py", []
    for path in sources("superpoint_tf", "synthetic", "tools"):
        name = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                banned = node.attr in NOT_ON_WINDOWS.get(node.value.id, ())
                wrong += [f"{name}: {node.value.id}.{node.attr}"] if banned and GUARDED.get(name) != node.attr else []
    assert {line.split(":")[0] for line in wrong} == {door}, wrong


@pytest.mark.parametrize("module", ["pwd", "grp", "termios", "pty", "tty", "posix", "syslog"])
def test_no_module_that_windows_lacks_is_imported(module: str):
    assert not [path for path in sources("superpoint_tf", "synthetic", "tools") if module in imported_modules(path)]


def opens_text_without_encoding(call: ast.Call) -> bool:
    """Tell whether a call opens a file as text in the encoding that the system happens to have."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if name in ("read_text", "write_text"):
        return not any(keyword.arg == "encoding" for keyword in call.keywords)
    if name != "open" or (isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) != "path"):
        return False
    given = call.args[isinstance(call.func, ast.Name) :]
    mode = next((keyword.value for keyword in call.keywords if keyword.arg == "mode"), given[0] if given else None)
    binary = isinstance(mode, ast.Constant) and "b" in str(mode.value)
    return not binary and not any(keyword.arg == "encoding" for keyword in call.keywords)


def test_text_is_read_and_written_in_a_named_encoding():
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources("superpoint_tf", "synthetic", "tools")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and opens_text_without_encoding(node)
    ]
    assert not wrong


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("open(path)", True),
        ("open(path, 'a')", True),
        ("open(path, 'rb')", False),
        ("open(path, mode='rb')", False),
        ("open(path, encoding='utf-8')", False),
        ("path.open()", True),
        ("path.open('rb')", False),
        ("path.read_text()", True),
        ("path.write_text(text, encoding='utf-8')", False),
        ("os.open(path, flags)", False),
    ],
)
def test_a_text_without_an_encoding_is_seen(code: str, found: bool):
    (call,) = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call))
    assert opens_text_without_encoding(call) == found


def test_importing_the_package_does_not_import_tensorflow():
    light = (
        "superpoint_tf, superpoint_tf.config, superpoint_tf.config.cluster, superpoint_tf.command_line, "
        "superpoint_tf.data.photographs.labelled_photographs, superpoint_tf.data.shapes.shape_sources, "
        "superpoint_tf.evaluation.metrics, superpoint_tf.commands, synthetic"
    )
    code = f"import sys, {light}; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("tool", TOOLS, ids=lambda path: path.name)
def test_help_of_every_tool_works_without_tensorflow(tool: Path):
    code = (
        "import sys, runpy; sys.argv = ['tool', '--help']\n"
        f"try: runpy.run_path({str(tool)!r}, run_name='__main__')\n"
        "except SystemExit as end: sys.exit(end.code or 3 * ('tensorflow' in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0 and "usage:" in done.stdout, done.stderr


def test_there_is_no_utils_file():
    assert not [
        path for path in sources("superpoint_tf", "synthetic", "tools") if path.stem in ("utils", "helpers", "misc")
    ]
