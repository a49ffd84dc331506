"""Runs the commands and the Python code of docs/python.md with fewer steps, and compares the container recipes."""

import contextlib
import doctest
import fnmatch
import importlib
import io
import os
import pathlib
import re
import shlex
import tempfile
import unittest

import scene
import sweep_gan

PAGE = scene.ROOT / "docs" / "python.md"
CONTAINER = scene.ROOT / "scripts" / "container"


def blocks(page, *kinds):
    """The code of these kinds with its kind, in the order of the page."""
    return re.findall(rf"(?s)```({'|'.join(kinds)})\n(.*?)```", page.read_text())


def shorter(file):
    """Makes a sweep file train and score for moments."""
    text = file.read_text()
    for key, value in [("steps", 40), ("every", 20), ("samples", 1000)]:
        text, found = re.subn(rf"\b{key}: \d+", f"{key}: {value}", text)
        assert found, f"{file} has no {key}"
    file.write_text(re.sub(r"(?m)^seeds: \d+", "seeds: 2", text))


@scene.needs("torch")
@scene.needs("pandas")
class Page(unittest.TestCase):
    def test_every_command_and_every_line_of_python_does_what_the_page_says(self):
        with tempfile.TemporaryDirectory() as folder, scene.inside(folder):
            folder, said, names = pathlib.Path(folder), io.StringIO(), {}
            for kind, text in blocks(PAGE, "console", "python"):
                if kind == "python":
                    with contextlib.redirect_stdout(said):
                        exec(compile(text, PAGE, "exec"), names)
                    continue
                for line in text.splitlines():
                    _, program, *args = shlex.split(line)
                    self.assertEqual(program, "sweep")
                    scene.sweep(*[names["job"] if arg == "JOB" else arg for arg in args], cwd=folder)
                    if args[0] == "init":
                        shorter(folder / args[1])
            self.assertEqual({row["state"] for row in names["rows"]}, {"done"})
            self.assertEqual(list(names["frame"].job), [row["job"] for row in names["rows"]])
            self.assertEqual({row["metric"] for row in names["losses"]}, {"loss_d", "loss_g"})
            self.assertEqual((names["saved"].shape, names["new"].shape), ((1000, 2), (5000, 2)))
            self.assertEqual(tuple(names["points"].shape), (1000, 2))
            self.assertIn("generator.pt", os.listdir())
            printed = said.getvalue()
            self.assertIn("d2gan", printed)
            self.assertLess(float(printed.splitlines()[-1]), 1e-5, "the program's samples and those of the network")

    def test_examples_of_the_help(self):
        home = scene.home()
        names = {"home": home, "job": sweep_gan.results(home)[0]["job"]}
        modules = [
            importlib.import_module(f"sweep_gan.{name}") for name in ("_errors", "_generator", "_samples", "_tables")
        ]
        found = [doctest.testmod(module, extraglobs=names) for module in modules]
        self.assertEqual([result.failed for result in found], [0] * len(modules))
        self.assertTrue(all(result.attempted for result in found))


class Container(unittest.TestCase):
    def test_both_recipes_install_the_wheel_that_scripts_wheel_makes(self):
        docker, apptainer = (CONTAINER / name for name in ("Dockerfile", "sweep.def"))
        (source,) = re.findall(r"(?m)^COPY (\S+) /opt/wheels/$", docker.read_text())
        self.assertTrue(fnmatch.fnmatch(f"target/wheels/{scene.WHEEL.name}", source))
        self.assertIn(f"\n    {source} /opt/wheels/\n", apptainer.read_text())
        (commands,) = re.findall(r"(?m)^RUN (.+)$", docker.read_text())
        self.assertIn(f"\n%post\n    {commands}\n", apptainer.read_text())
        (image,) = re.findall(r"(?m)^FROM (.+)$", docker.read_text())
        self.assertIn(f"\nFrom: {image}\n", apptainer.read_text())
        # Docker sends only what this list leaves.
        ignored = pathlib.Path(f"{docker}.dockerignore").read_text().splitlines()
        self.assertEqual([line for line in ignored if not line.startswith("#")], ["*", "!target/wheels/*.whl"])
        for recipe in (docker, apptainer):
            self.assertIn(f"scripts/container/{recipe.name}", PAGE.read_text())


if __name__ == "__main__":
    unittest.main()
