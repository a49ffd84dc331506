"""The wheel: what is in it, and that it works once it is installed, with nothing set."""

import base64
import csv
import email
import hashlib
import io
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import unittest
import zipfile

import scene

LONG = scene.SWEEP.replace("steps: 40", "steps: 2000000").replace("every: 20, ", "")


class Contents(unittest.TestCase):
    def setUp(self):
        self.wheel = zipfile.ZipFile(scene.WHEEL)
        self.info = next(name.split("/")[0] for name in self.wheel.namelist() if ".dist-info/" in name)

    def read(self, name):
        return self.wheel.read(f"{self.info}/{name}").decode()

    def test_record_lists_every_file_with_its_hash_and_size(self):
        listed = list(csv.reader(io.StringIO(self.read("RECORD"))))
        self.assertEqual(sorted(name for name, _, _ in listed), sorted(self.wheel.namelist()))
        for name, digest, size in listed:
            if name == f"{self.info}/RECORD":
                self.assertEqual((digest, size), ("", ""))
                continue
            data = self.wheel.read(name)
            expected = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
            self.assertEqual((digest, size), (f"sha256={expected}", str(len(data))), name)

    def test_the_name_of_the_file_is_what_it_says_within(self):
        metadata = email.message_from_string(self.read("METADATA"))
        manifest = (scene.ROOT / "Cargo.toml").read_text()
        version = re.search(r'(?m)^version = "(.+)"', manifest)[1]
        self.assertEqual(
            (metadata["Name"], metadata["Version"], metadata["License-Expression"]), ("sweep-gan", version, "MIT")
        )
        self.assertEqual(metadata["Requires-Python"], ">=3.10")
        wanted = re.search(r"version=(\d+\.\d+)", (scene.ROOT / "scripts" / "setup-libtorch").read_text())[1]
        self.assertIn(f"torch=={wanted}.*", metadata.get_all("Requires-Dist"))
        self.assertIn("Experiment sweeps for GAN research", metadata.get_payload())
        (tag,) = re.findall(r"(?m)^Tag: (.+)$", self.read("WHEEL"))
        self.assertEqual(scene.WHEEL.name, f"sweep_gan-{version}-{tag}.whl")
        self.assertEqual(self.read("licenses/LICENSE"), (scene.ROOT / "LICENSE").read_text())

    def test_every_symbol_is_one_that_the_platform_has(self):
        (minor,) = map(int, re.findall(r"manylinux_2_(\d+)_", scene.WHEEL.name))
        needed = set()
        for name in ("sweep", "sweep-worker"):
            program = (scene.FOLDER / "package" / "sweep_gan" / "bin" / name).read_bytes()
            needed |= set(map(int, re.findall(rb"\x00GLIBC_2\.(\d+)\x00", program)))
        self.assertLessEqual(max(needed), minor)
        # And no more than that, but for what libstdc++ may ask.
        here = os.confstr("CS_GNU_LIBC_VERSION").split(".")[1]
        self.assertLessEqual(minor, int(here))

    def test_files_have_fixed_dates_in_a_fixed_order_and_programs_may_be_executed(self):
        infos = self.wheel.infolist()
        names = [info.filename for info in infos]
        self.assertEqual(names[:-1], sorted(names[:-1]))
        self.assertEqual(names[-1], f"{self.info}/RECORD")
        if "SOURCE_DATE_EPOCH" not in os.environ:
            self.assertEqual({info.date_time for info in infos}, {(1980, 1, 1, 0, 0, 0)})
        executable = {info.filename for info in infos if info.external_attr >> 16 & stat.S_IXUSR}
        self.assertEqual(executable, {"sweep_gan/bin/sweep", "sweep_gan/bin/sweep-worker"})

    def test_the_same_executables_make_the_same_bytes(self):
        with tempfile.TemporaryDirectory() as folder:
            bin_dir = scene.FOLDER / "package" / "sweep_gan" / "bin"
            made = subprocess.run(
                [scene.ROOT / "scripts" / "wheel", "--bin-dir", bin_dir, "--out", folder],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            )
            self.assertEqual(pathlib.Path(made.stdout.strip()).read_bytes(), scene.WHEEL.read_bytes())

    def test_a_worker_that_looks_for_libtorch_on_this_machine_is_not_packed(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("sweep", "sweep-worker"):
                shutil.copy(sys.executable, pathlib.Path(folder) / name)
            made = subprocess.run(
                [scene.ROOT / "scripts" / "wheel", "--bin-dir", folder, "--out", folder],
                stderr=subprocess.PIPE,
                text=True,
            )
            self.assertEqual(made.returncode, 1)
            self.assertIn("expected $ORIGIN/../../torch/lib", made.stderr)


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.venv = scene.installed()
        cls.program = cls.venv / "bin" / "sweep"
        cls.version = email.message_from_string(
            next(scene.packages(cls.venv).glob("sweep_gan-*/METADATA")).read_text()
        )["Version"]

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def start(self, *args, **how):
        return subprocess.Popen([self.program, *args], cwd=self.folder, env=scene.environment(), **how)

    def test_the_command_and_the_module_are_the_program(self):
        self.assertEqual(scene.sweep("--version", cwd=self.folder), f"sweep {self.version}\n")
        module = subprocess.run(
            [self.venv / "bin" / "python", "-m", "sweep_gan", "report", "--help"],
            env=scene.environment(),
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.assertIn("Usage: sweep report", module.stdout)

    def test_libtorch_is_found_where_pip_puts_it(self):
        said = scene.sweep("doctor", cwd=self.folder)
        (line,) = [line for line in said.splitlines() if " libtorch " in line]
        self.assertRegex(line, r"^ok +libtorch +2\.\d+")

    def test_libtorch_of_elsewhere_is_not_preferred(self):
        (self.folder / "lib").mkdir()
        for name in ("libc10.so", "libtorch.so", "libtorch_cpu.so"):
            (self.folder / "lib" / name).write_text("no library")
        said = scene.sweep("doctor", cwd=self.folder, LD_LIBRARY_PATH=str(self.folder / "lib"))
        self.assertRegex(said, r"ok +libtorch +2\.\d+")

    def test_torch_that_is_installed_elsewhere_is_found(self):
        packages, other = scene.packages(self.venv), self.folder / "other"
        other.mkdir()
        (packages / "torch").rename(other / "torch")
        self.addCleanup((other / "torch").rename, packages / "torch")
        said = scene.sweep("doctor", cwd=self.folder, PYTHONPATH=str(other))
        self.assertRegex(said, r"ok +libtorch +2\.\d+")
        # And where there is none, all that needs none works.
        said = scene.sweep("doctor", cwd=self.folder, status=3)
        self.assertIn("pip install 'torch==", said)
        self.assertEqual(
            scene.sweep("query", "SELECT 1 AS one", "--format", "csv", "--home", scene.home(), cwd=self.folder),
            "one\n1\n",
        )

    def test_a_sweep_is_trained(self):
        home = scene.home()
        states = scene.sweep(
            "query",
            "SELECT state, count(*) AS n FROM results GROUP BY 1",
            "--format",
            "csv",
            "--home",
            home,
            cwd=self.folder,
        )
        self.assertEqual(states, "state,n\ndone,15\n")

    def test_exit_codes_are_those_of_the_program(self):
        scene.sweep("run", "missing.yaml", cwd=self.folder, status=2)
        scene.sweep("query", "SELECT 1", "--home", "missing", cwd=self.folder, status=3)

    def test_a_signal_reaches_the_program_and_ends_it_as_it_says(self):
        (self.folder / "long.yaml").write_text(LONG)
        for number in (signal.SIGINT, signal.SIGTERM):
            process = self.start(
                "run",
                "long.yaml",
                "--no-report",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            try:
                end = time.time() + 600
                while not list(self.folder.glob("sweep-results/runs/*/attempt-*/events.jsonl")) and time.time() < end:
                    self.assertIsNone(process.poll())
                    time.sleep(0.05)
                program = os.readlink(f"/proc/{process.pid}/exe")
                self.assertEqual(program, str(scene.packages(self.venv).resolve() / "sweep_gan" / "bin" / "sweep"))
                os.kill(process.pid, number)
                self.assertEqual(process.wait(600), 128 + number)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
            shutil.rmtree(self.folder / "sweep-results")

    def test_what_python_ignores_the_program_does_not(self):
        # It waits for a line on stdin.
        process = self.start("query", "-", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(process.stdin.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        end = time.time() + 600
        while "sweep_gan" not in os.readlink(f"/proc/{process.pid}/exe") and time.time() < end:
            time.sleep(0.01)
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        ignored = int(re.search(r"(?m)^SigIgn:\s+(\w+)", status)[1], 16)
        self.assertFalse(ignored >> (signal.SIGXFSZ - 1) & 1, f"{ignored:x}")


if __name__ == "__main__":
    unittest.main()
