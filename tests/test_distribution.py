"""Wheel and sdist, and the licences of all installed dependencies."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.message import Message
from importlib.metadata import distribution, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.project_files import ROOT, project_files

PACKAGE = "airflow_provider_exact"
EXTRAS = {"openlineage", "parquet", "sql", "zstd"}
# Any further licence fails the test, for a person to read: then add the licence here, or drop the dependency.
ALLOWED = {
    *("Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MPL-2.0", "PSF-2.0", "Unlicense"),
    *("Apache Software License", "BSD License", "3-Clause BSD License", "ISC License (ISCL)", "MIT License"),
    *("Mozilla Public License 2.0 (MPL 2.0)", "Python Software Foundation License", "The Unlicense (Unlicense)"),
}
# Packages with unusual metadata, read by a person. The repository of the first says Apache-2.0; the second leaves
# the choice between the Artistic License and the GPL.
READ = {
    "openlineage-sql": [],
    "text-unidecode": [
        "Artistic License",
        "GNU General Public License (GPL)",
        "GNU General Public License v2 or later (GPLv2+)",
    ],
}


def build(source: Path, folder: Path) -> Path:
    """Return the folder of the wheel and the sdist that were built from a folder of sources."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    built = subprocess.run(command, cwd=source, check=False, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return folder


def wheel_in(folder: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(next(folder.glob("*.whl")))


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("dist"))


@pytest.mark.system
def test_the_wheel_holds_the_package_and_nothing_else(dist: Path):
    info = f"{PACKAGE}-{version('airflow-provider-exact')}.dist-info"
    expected = {name for name in project_files() if name.startswith(f"{PACKAGE}/")}
    expected |= {f"{info}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")}
    with wheel_in(dist) as wheel:
        assert set(wheel.namelist()) == expected
        points = configparser.ConfigParser()
        points.read_string(wheel.read(f"{info}/entry_points.txt").decode())
    assert set(points.sections()) == {"console_scripts", "apache_airflow_provider", "airflow.plugins"}


@pytest.mark.system
def test_the_sdist_holds_all_files_of_the_project_and_makes_the_same_wheel(dist: Path, tmp_path: Path):
    with tarfile.open(next(dist.glob("*.tar.gz"))) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
        sdist.extractall(tmp_path, filter="data")
    assert names == project_files() | {"PKG-INFO"}
    (source,) = tmp_path.iterdir()
    with wheel_in(dist) as wheel, wheel_in(build(source, tmp_path / "again")) as again:
        assert {name: wheel.read(name) for name in wheel.namelist()} == {
            name: again.read(name) for name in again.namelist()
        }


def test_constraints_lock_what_each_group_and_extra_names():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lists = [project["project"]["dependencies"], *project["project"]["optional-dependencies"].values()]
    named = {
        text for texts in [*lists, *project["dependency-groups"].values()] for text in texts if isinstance(text, str)
    }
    locked = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {canonicalize_name(Requirement(line).name) for line in locked if line}
    assert {canonicalize_name(Requirement(text).name) for text in named} - pins == set()


def licences_of(metadata: Message) -> list[str]:
    """Return the licences that the metadata of a package names."""
    if expression := metadata.get("License-Expression"):
        return [part.strip(" ()") for part in re.split(" AND | OR ", expression)]
    classifiers = [text.split(" :: ") for text in metadata.get_all("Classifier", []) if text.startswith("License")]
    if named := [parts[-1] for parts in classifiers if parts[-1] not in {"License", "OSI Approved"}]:
        return named
    return [text for text in [metadata.get("License", "").strip()] if text not in {"", "UNKNOWN"}]


def may_be_used(metadata: Message) -> bool:
    named = set(licences_of(metadata))
    return bool(named) and named <= ALLOWED


def installed_with(name: str, extras: set[str], found: dict[str, set[str]]) -> dict[str, set[str]]:
    """Add a package and all its dependencies to ``found``, with the wanted extras."""
    key = canonicalize_name(name)
    if key in found and extras <= found[key]:
        return found
    found[key] = found.get(key, set()) | extras
    for requirement in map(Requirement, distribution(name).requires or []):
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in {""} | extras):
            installed_with(requirement.name, set(requirement.extras), found)
    return found


def test_each_package_of_an_installation_has_a_licence_that_may_be_used():
    packages = installed_with("airflow-provider-exact", EXTRAS, {})
    assert {"apache-airflow-core", "pyarrow", "openlineage-sql"} <= set(packages)
    metadata = {name: distribution(name).metadata for name in packages}
    assert {name: licences_of(found) for name, found in metadata.items() if not may_be_used(found)} == READ


@pytest.mark.parametrize(
    ("fields", "allowed"),
    [
        ([("License-Expression", "Apache-2.0")], True),
        ([("License-Expression", "MPL-2.0 AND MIT")], True),
        ([("License-Expression", "LGPL-3.0-or-later")], False),
        ([("License-Expression", "MIT AND GPL-2.0-only")], False),
        # A choice is for a person to make.
        ([("License-Expression", "GPL-2.0-or-later OR MIT")], False),
        ([("License-Expression", "(MIT OR BSD-3-Clause) AND GPL-3.0-only")], False),
        ([("License-Expression", "LicenseRef-Proprietary")], False),
        ([("License-Expression", "Apache-2.0 OR BSD-3-Clause")], True),
        ([("License", "MIT")], True),
        ([("License", "SSPL-1.0")], False),
        ([("License", "GNU GENERAL\n PUBLIC LICENSE Version 3")], False),
        ([("Classifier", "License :: Other/Proprietary License")], False),
        ([("License", "LGPL with exceptions")], False),
        ([("License", "GNU Lesser General Public License v3")], False),
        ([("License", "UNKNOWN")], False),
        ([("Classifier", "License :: OSI Approved :: MIT License")], True),
        ([("Classifier", "License :: OSI Approved :: GNU Affero General Public License v3")], False),
        ([("Classifier", "License :: OSI Approved")], False),
        ([("Classifier", "Programming Language :: Python")], False),
        ([], False),
    ],
)
def test_licences_are_judged_by_the_metadata(fields: list[tuple[str, str]], allowed: bool):
    metadata = Message()
    for field, text in fields:
        metadata[field] = text
    assert may_be_used(metadata) is allowed
