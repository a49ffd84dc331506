"""Results and histories, beside what `sweep query` says."""

import contextlib
import json
import math
import os
import pathlib
import shutil
import sqlite3
import sys
import tempfile
import unittest
from unittest import mock

import scene
import sweep_gan
from sweep_gan import SweepError

# Parameters and scores of a trainer of the user's own, some of whose names are taken; a score that is not a number.
OWN = """
sweep: mine
seeds: 2
trainer:
  command: [python3, mine.py, "${args}"]
  parameters: {rate: 0.5, sizes: [4, 4], seed_text: a}
  scores: {fid: lower, alpha: lower}
  steps: 2
variants:
  - {name: A, grid: {sizes: [[1, 2], [3]]}}
"""
MINE = 'import os\nfor step in (1, 2):\n    print(f"sweep: step={step} fid={1.5 * step} alpha=nan", flush=True)\n'

# Keys that are no numbers, and one that a row begins with.
KEYS = """
sweep: keys
dataset: gaussians
seeds: 1
model: {discriminator: [4], noise: 2}
train: {steps: 4, batch: 4}
score: {samples: 50, metrics: [modes_covered]}
grid: {objective: [gan, lsgan], generator: [[4], [4, 4]], lr: [1e-3, {from: 1e-3, to: 1e-4, shape: linear}]}
"""


def own():
    folder = scene.FOLDER / "mine"
    if not folder.exists():
        (scene.FOLDER / "mine.py").write_text(MINE)
        folder.mkdir()
        (folder / "mine.py").write_text(MINE)
        (folder / "sweep.yaml").write_text(OWN)
        scene.sweep("run", "sweep.yaml", "--no-report", cwd=folder)
    return folder / "sweep-results"


def query(home, sql):
    return json.loads(scene.sweep("query", sql, "--format", "json", "--home", home, cwd=scene.FOLDER))


@contextlib.contextmanager
def copy(home):
    with tempfile.TemporaryDirectory() as folder:
        yield shutil.copytree(home, pathlib.Path(folder) / "copy")


class Results(unittest.TestCase):
    def test_rows_are_those_of_the_view(self):
        home = scene.home()
        rows = sweep_gan.results(home, "quickstart")
        names = "sweep, variant, job, objective, dataset, seed, state, alpha, beta, lr_generator"
        expected = query(home, f"SELECT {names}, wasserstein, modes_covered, step, steps FROM results")
        self.assertEqual(len(rows), 15)
        self.assertEqual([{key: row[key] for key in expected[0]} for row in rows], expected)
        self.assertEqual(
            {tuple(row) for row in rows}, {tuple(rows[0])}, "all rows have the same keys in the same order"
        )
        self.assertEqual(
            list(rows[0])[:9], ["sweep", "variant", "job", "objective", "dataset", "seed", "state", "alpha", "beta"]
        )
        self.assertNotIn("mode_score", rows[0], "what no job has is no key")
        self.assertEqual([row["alpha"] for row in rows if row["variant"] == "GAN"], [None] * 3)

    def test_a_home_directory_is_named_in_several_ways(self):
        home = scene.home()
        rows = sweep_gan.results(home)
        self.assertEqual(sweep_gan.results(home / "sweep.db"), rows)
        self.assertEqual(sweep_gan.results(str(home), sweep="quickstart"), rows)
        with scene.inside(home.parent):
            self.assertEqual(sweep_gan.results(), rows)
        with mock.patch.dict(os.environ, SWEEP_HOME=str(home)):
            self.assertEqual(sweep_gan.results(), rows)
        with mock.patch.dict(os.environ, SWEEP_HOME=str(home.parent), SWEEP_DB=str(home / "sweep.db")):
            self.assertEqual(sweep_gan.results(), rows)

    def test_keys_of_every_kind_are_columns(self):
        home = scene.home("keys", KEYS)
        rows = sweep_gan.results(home, "keys")
        self.assertEqual({row["generator"] for row in rows}, {(4,), (4, 4)})
        self.assertEqual({row["objective_parameter"] for row in rows}, {"gan", "lsgan"})
        self.assertEqual({row["objective"] for row in rows}, {"gan", "lsgan"})
        falling = {row["lr"] for row in rows if isinstance(row["lr"], str)}
        self.assertEqual(falling, {"0.001→0.0001 linear"})

    def test_trainers_of_the_user_s_own(self):
        rows = sweep_gan.results(own(), "mine")
        self.assertEqual(
            {(row["variant"], row["sizes"], row["rate"], row["fid"]) for row in rows},
            {("A", (1, 2), 0.5, 3.0), ("A", (3,), 0.5, 3.0)},
        )
        # `alpha` is a parameter of sweep's own, so the score of that name has another column.
        self.assertTrue(all(math.isnan(row["alpha_score"]) for row in rows), rows[0])

    def test_scores_that_were_measured_otherwise(self):
        with copy(scene.home()) as home:
            before = sweep_gan.results(home)
            scene.sweep("rescore", "--metrics", "wasserstein", "--samples", "300", "--home", home, cwd=home)
            usual, other = (
                sweep_gan.results(home, protocol={"samples": 200}),
                sweep_gan.results(home, protocol={"samples": 300}),
            )
            measured = "metric = 'wasserstein' AND step = 40 AND protocol ->> '$.samples' = 300"
            sql = f"SELECT job, value FROM history WHERE {measured}"
            expected = {row["job"]: row["value"] for row in query(home, sql)}
            self.assertEqual({row["job"]: row["wasserstein"] for row in other}, expected)
            self.assertNotIn("modes_covered", other[0])
            key = ["job", "wasserstein", "modes_covered"]
            self.assertEqual(
                [[row[name] for name in key] for row in usual], [[row[name] for name in key] for row in before]
            )
            with self.assertRaisesRegex(
                SweepError, "wasserstein of job .* was measured in 2 ways .* name more settings"
            ):
                sweep_gan.results(home, protocol={})

    def test_a_run_may_be_at_work_and_nothing_is_written(self):
        with copy(scene.home()) as home:
            scene.sweep("query", "SELECT 1", "--home", home, cwd=home)

            def times():
                # SQLite's own files beside the database come and go.
                paths = [path for path in home.rglob("*") if not path.name.startswith("sweep.db-")]
                return {path: path.stat().st_mtime_ns for path in paths}

            before = times()
            rows = sweep_gan.results(home)
            self.assertEqual(times(), before)
            # Who writes, with what is not in the file itself yet.
            with contextlib.closing(sqlite3.connect(home / "sweep.db")) as writer:
                writer.execute("UPDATE jobs SET state = 'running' WHERE id = ?", (rows[0]["job"],))
                self.assertEqual(sweep_gan.results(home)[0]["state"], "done")
                writer.commit()
                self.assertEqual(sweep_gan.results(home)[0]["state"], "running")

    def test_a_folder_in_which_nothing_can_be_written(self):
        with copy(scene.home()) as home:
            rows = sweep_gan.results(home)
            for path in home.glob("sweep.db-*"):
                path.unlink()
            real = sqlite3.connect

            def refusing(address, **how):
                # As SQLite does there; root may write everywhere.
                return real("file:/nowhere/x?mode=ro" if "mode=ro" in address else address, **how)

            with mock.patch("sqlite3.connect", refusing):
                self.assertEqual(sweep_gan.results(home), rows)

    def test_what_is_not_there_is_said(self):
        home = scene.home()
        for words, call in [
            ("there is no nowhere: name the home directory", lambda: sweep_gan.results("nowhere")),
            ("sweep.db is missing: .*sweep rebuild", lambda: sweep_gan.results(home.parent)),
            ("no sweep 'fast' here: there are quickstart", lambda: sweep_gan.results(home, "fast")),
            (
                "no job has a value of 'fid': there are .*modes_covered, .*wasserstein",
                lambda: sweep_gan.history(home, metric="fid"),
            ),
        ]:
            with self.assertRaisesRegex(SweepError, words):
                call()
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "sweep.db"
            path.write_bytes(b"no database" * 100)
            with self.assertRaisesRegex(SweepError, "sweep.db cannot be read: .*sweep doctor"):
                sweep_gan.results(folder)
            path.unlink()
            sqlite3.connect(path).close()
            with self.assertRaisesRegex(SweepError, "has no view 'results': an earlier version of sweep"):
                sweep_gan.results(folder)

    def test_pandas_is_asked_for(self):
        with mock.patch.dict(sys.modules, pandas=None), self.assertRaisesRegex(SweepError, "pip install pandas"):
            sweep_gan.results(scene.home(), as_frame=True)

    @scene.needs("pandas")
    def test_a_frame_has_the_same_rows(self):
        rows, frame = sweep_gan.results(scene.home()), sweep_gan.results(scene.home(), as_frame=True)
        self.assertEqual((list(frame.columns), len(frame)), (list(rows[0]), len(rows)))
        best = frame[frame.variant == "D2GAN"].groupby(["alpha", "beta"]).wasserstein.mean()
        self.assertEqual(len(best), 4)
        self.assertAlmostEqual(
            best[0.1, 1.0], sum(row["wasserstein"] for row in rows if (row["alpha"], row["beta"]) == (0.1, 1)) / 3
        )


class History(unittest.TestCase):
    def test_rows_are_those_of_the_view(self):
        home = scene.home()
        rows = sweep_gan.history(home, "quickstart", metric="wasserstein")
        expected = query(
            home,
            "SELECT job, step, metric, value, std, asked, protocol, seed, variant FROM history "
            "WHERE metric = 'wasserstein'",
        )

        def by_job(rows):
            return sorted(
                ({key: row[key] for key in expected[0]} for row in rows), key=lambda row: (row["job"], row["step"])
            )

        self.assertEqual(len(rows), 30)
        self.assertEqual(by_job(rows), by_job(expected))
        self.assertEqual([row["step"] for row in rows[:2]], [20, 40])
        self.assertEqual([row["alpha"] for row in rows[:2]], [0.1, 0.1])
        self.assertEqual(json.loads(rows[0]["protocol"])["samples"], 200)

    def test_losses_and_several_metrics(self):
        rows = sweep_gan.history(scene.home(), metric=["loss_d", "modes_covered"])
        self.assertEqual({row["metric"] for row in rows}, {"loss_d", "modes_covered"})
        losses = [row for row in rows if row["metric"] == "loss_d"]
        self.assertEqual(len(losses), 15 * 40)
        self.assertEqual({row["protocol"] for row in losses}, {None})
        everything = sweep_gan.history(scene.home())
        self.assertGreater({row["metric"] for row in everything}, {"loss_d", "loss_g", "wasserstein", "output_real"})

    def test_what_is_not_a_number_is_nan(self):
        rows = sweep_gan.history(own(), metric="alpha")
        self.assertEqual(len(rows), 8)
        self.assertTrue(all(math.isnan(row["value"]) for row in rows))
        self.assertEqual({row["value"] for row in sweep_gan.history(own(), metric="fid") if row["step"] == 1}, {1.5})


if __name__ == "__main__":
    unittest.main()
