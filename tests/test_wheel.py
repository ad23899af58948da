"""What `pip install` puts on a machine: the wheel's files, and that it works without a checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytest.importorskip("setuptools", reason="needs setuptools, which makes wheels")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of what it is made of, and return the folder that it is unpacked into."""
    source, wheels, site = (tmp_path_factory.mktemp(name) for name in ("source", "wheels", "site"))
    for name in ("superpoint_tf", "synthetic", "configs", "tests", "tools"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(wheels),
        ".",
    ]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    (wheel,) = wheels.glob("superpoint_tf-*.whl")
    zipfile.ZipFile(wheel).extractall(site)
    return site


def below(folder: Path, pattern: str, root: Path) -> set[str]:
    return {file.relative_to(root).as_posix() for file in folder.rglob(pattern) if file.is_file()}


def test_the_wheel_holds_code_weights_configs_and_nothing_beside_the_package(installed: Path):
    expected = below(ROOT / "superpoint_tf", "*.py", ROOT) | below(ROOT / "superpoint_tf" / "weights", "*", ROOT)
    expected |= {f"superpoint_tf/{name}" for name in below(ROOT / "synthetic", "*.py", ROOT)}
    expected |= {f"superpoint_tf/{name}" for name in below(ROOT / "configs", "*.yaml", ROOT)}
    expected |= {"superpoint_tf/py.typed"}
    assert below(installed / "superpoint_tf", "*", installed) == expected
    assert {path.name.partition("-")[0] for path in installed.iterdir()} == {"superpoint_tf"}


def test_its_generator_is_the_folder_of_the_repository(installed: Path):
    for file in (ROOT / "synthetic").glob("*.py"):
        assert (installed / "superpoint_tf" / "synthetic" / file.name).read_bytes() == file.read_bytes()


def test_the_command_is_an_entry_point(installed: Path):
    (entries,) = installed.glob("*.dist-info/entry_points.txt")
    assert "superpoint-tf = superpoint_tf.commands.console:main" in entries.read_text()


def run(installed: Path, folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_it_works_without_a_checkout_and_names_the_commands_that_its_user_has(installed: Path, tmp_path: Path):
    small = ["synthetic.num_validation=1", "synthetic.num_test=1", "synthetic.draw.image_shape=[32, 40]", "workers=0"]
    command = ["generate", "--num", "2", "--config", "configs/quickstart.yaml", "--set", *small]
    lines = run(installed, tmp_path, "-m", "superpoint_tf.commands", *command).splitlines()
    assert lines[-1] == " next | superpoint-tf adapt --iters 2 --config configs/quickstart.yaml"
    assert [path.name for path in tmp_path.iterdir()] == ["data"]  # under the folder where the user is


def test_its_configs_are_those_of_the_package_itself(installed: Path, tmp_path: Path):
    module = "superpoint_tf.command_line.config_arguments"
    code = f"from {module} import _find_config; print(_find_config('configs/zoo/ucn.yaml'))"
    found = run(installed, tmp_path, "-c", code).strip()
    assert found == str(installed / "superpoint_tf" / "configs" / "zoo" / "ucn.yaml")


def test_a_checkout_has_the_names_of_the_generator_that_a_wheel_has():
    import superpoint_tf.synthetic

    line = (ROOT / "synthetic" / "__init__.py").read_text(encoding="utf-8").splitlines()[-1]
    assert line == f"__all__ = {superpoint_tf.synthetic.__all__!r}".replace("'", '"')
