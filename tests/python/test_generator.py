"""Trained generators in PyTorch, beside the samples that the program has made of the same noise."""

import contextlib
import pathlib
import random
import shutil
import sqlite3
import struct
import sys
import tempfile
import unittest
from unittest import mock

import scene
import sweep_gan
from sweep_gan import SweepError

# Every layer, activation and normalisation of generators. All make points, whose samples are saved as numbers.
LAYERS = """
sweep: layers
dataset: gaussians
seeds: 1
objective: gan
model: {discriminator: [8], noise: 6, init: xavier_uniform}
train: {steps: 30, batch: 18, lr: 1e-2}
score: {samples: 50, metrics: [modes_covered]}
variants:
  - {name: plain, grid: {generator_norm: [none, batch, layer, weight, spectral], generator: [[12, 8]]}}
  - name: activations
    model:
      generator: [{linear: 12}, relu, {linear: 12}, {leaky_relu: 0.3}, {linear: 12}, elu, {linear: 12}, selu,
                  {linear: 12}, gelu, {linear: 12}, silu, {linear: 12}, softplus, {linear: 12}, sigmoid,
                  {linear: 12}, prelu, {linear: 2}, tanh]
  - name: features
    model:
      generator: [{linear: 12}, {maxout: 3}, {dropout: 0.5}, batch_norm, {residual: [{linear: 8}, layer_norm, silu]},
                  {linear: 2}]
  - name: maps
    model:
      generator: [{linear: 32}, weight_norm, {unflatten: [8, 2]}, batch_norm, relu,
                  {conv_transpose: {maps: 6, kernel: 4, stride: 2}}, weight_norm, layer_norm, {leaky_relu: 0.1},
                  {conv_transpose: {maps: 6, kernel: 5, stride: 2}}, spectral_norm, {maxout: 2}, prelu,
                  {residual: [batch_norm, relu, {upsample: 2}, {conv: {maps: 4, kernel: 3, stride: 1}}, spectral_norm]},
                  {conv: {maps: 4, kernel: 5, stride: 2}}, weight_norm, tanh,
                  {residual: [{conv: {maps: 4, kernel: 3, stride: 1}}, {avg_pool: 2}]},
                  {conv_transpose: {maps: 3, kernel: 3, stride: 3, padding: 1}}, elu, flatten, {linear: 5}, {linear: 2}]
  - name: sums
    model: {generator: [{linear: 16}, {unflatten: [4, 2]}, {conv: {maps: 2, kernel: 3, stride: 1}}, sum_pool]}
  - {name: uniform, model: {noise_distribution: uniform, generator: [8]}}
  - {name: average, model: {generator: [8], generator_norm: batch}, train: {ema: 0.9}}
  - {name: average by half-life, model: {generator: [8]}, train: {ema_half_life: 100}, score: {weights: raw}}
  - name: several
    objective: mgan
    generators: 3
    grid: {generator_norm: [none, batch, weight, spectral], generator: [[8]]}
  - {name: in runs, objective: mgan, generators: 3, model: {generator: [8], pack: 2}}
  - {name: with a code, objective: ali, model: {generator: [8], encoder: [8], generator_norm: batch}}
"""

# Images are saved as a sheet of bytes. The data are a file of forty random ones.
IMAGES = """
sweep: images
dataset: {name: npy, path: images.npy}
seeds: 1
objective: gan
train: {steps: 40, batch: 4, lr: 1e-2}
score: {samples: 20, metrics: []}
variants:
  - {name: dcgan, model: {arch: dcgan, width: 4, noise: 8}}
  - {name: metz, model: {arch: metz, width: 2, noise: 8}}
  - {name: resnet, model: {arch: resnet, width: 4, noise: 8, generator_norm: batch}}
"""


def sheet_noise(n, noise, distribution):
    """The noise of all sample sheets, from the program's own description of it: src/numerics/random.rs, in float64.

    Philox4x32-10 with the key 0 and the counter (block, 0, 0, purpose << 16); purpose 6 is that of sheets.
    """
    import numpy as np

    low = np.uint64(0xFFFFFFFF)
    blocks = -(-n * noise // 256)
    counters = np.arange(64 * blocks, dtype=np.uint64)
    c0, c1, c2, c3 = counters, 0 * counters, 0 * counters, 0 * counters + np.uint64(6 << 16)
    k0, k1 = np.uint64(0), np.uint64(0)
    for _ in range(10):
        a, b = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1, c2, c3 = b >> np.uint64(32) ^ c1 ^ k0, b & low, a >> np.uint64(32) ^ c3 ^ k1, a & low
        k0, k1 = k0 + np.uint64(0x9E3779B9) & low, k1 + np.uint64(0xBB67AE85) & low
    words = np.stack([c.reshape(-1, 64) for c in (c0, c1, c2, c3)], 1).reshape(-1, 256)
    if distribution == "uniform":
        values = (words >> np.uint64(8)) / 2**24 * 2 - 1
    else:
        u, turn = ((words[:, :128] >> np.uint64(1)) + 0.5) / 2**31, words[:, 128:] / 2**32 * 2 * np.pi
        radius = np.sqrt(-2 * np.log(u))
        values = np.concatenate([radius * np.cos(turn), radius * np.sin(turn)], 1)
    return values.reshape(-1)[: n * noise].reshape(n, noise).astype(np.float32)


def images_home():
    folder = scene.FOLDER / "pictures"
    if not folder.exists():
        folder.mkdir()
        values = random.Random(1).choices(range(256), k=40 * 3 * 16 * 16)
        header = "{'descr': '|u1', 'fortran_order': False, 'shape': (40, 3, 16, 16), }"
        (folder / "images.npy").write_bytes(b"\x93NUMPY\x01\x00\x76\x00" + f"{header:117}\n".encode() + bytes(values))
        (folder / "images.yaml").write_text(IMAGES)
        scene.sweep("run", "images.yaml", "--no-report", cwd=folder, SWEEP_DATA=str(folder / "data"))
    return folder / "sweep-results"


@scene.needs("torch")
class Generators(unittest.TestCase):
    def same(self, home, row, weights="ema"):
        """The generator makes the saved samples from the noise that they were made from."""
        import torch

        net = sweep_gan.generator(row["job"], home, weights=weights)
        saved = torch.tensor(sweep_gan.samples(row["job"], home=home))
        with torch.no_grad():
            made = net(torch.from_numpy(sheet_noise(len(saved), net.noise, net.noise_distribution)))
        self.assertEqual(made.shape, saved.shape)
        self.assertGreater(saved.std(0).min(), 1e-3, "samples that do not differ would show nothing")
        return (made - saved).abs().max().item()

    def test_every_layer_computes_what_the_program_computes(self):
        home = scene.home("layers", LAYERS)
        rows = sweep_gan.results(home, "layers")
        self.assertEqual(len(rows), 18)
        for row in rows:
            with self.subTest(row["variant"], norm=row.get("generator_norm")):
                self.assertEqual(row["state"], "done")
                weights = "raw" if row["variant"] == "average by half-life" else "ema"
                self.assertLess(self.same(home, row, weights), 1e-5)

    def test_samples_are_those_of_sweep_sample_for_the_same_noise(self):
        import numpy as np
        import torch

        with tempfile.TemporaryDirectory() as folder:
            for home, sweep in [(scene.home("layers", LAYERS), "layers"), (images_home(), "images")]:
                for row in sweep_gan.results(home, sweep):
                    # Where a job keeps no average, both are the same.
                    for weights in ("ema", "raw") if row["variant"].startswith("average") else ("ema",):
                        with self.subTest(row["variant"], norm=row.get("generator_norm"), weights=weights):
                            path = pathlib.Path(folder) / f"{row['job']}-{weights}.npz"
                            more = ["--weights", weights, "--home", home]
                            scene.sweep("sample", row["job"], "-n", "64", "-o", path, *more, cwd=folder)
                            file = np.load(path)
                            net = sweep_gan.generator(row["job"], home, weights=weights)
                            with torch.no_grad():
                                made = net(torch.from_numpy(file["noise"])).numpy().reshape(file["samples"].shape)
                            self.assertEqual(made.dtype, file["samples"].dtype)
                            self.assertGreater(made.std(0).max(), 1e-3, "equal samples would show nothing")
                            self.assertLess(abs(made - file["samples"]).max(), 1e-5)

    def test_the_average_of_the_weights_is_not_the_weights(self):
        home = scene.home("layers", LAYERS)
        for row in sweep_gan.results(home, "layers"):
            if row["variant"].startswith("average"):
                other = "ema" if row["variant"] == "average by half-life" else "raw"
                self.assertGreater(self.same(home, row, other), 1e-3)

    def test_images_are_those_of_the_sheet(self):
        import torch

        home = images_home()
        for row in sweep_gan.results(home, "images"):
            with self.subTest(row["variant"]):
                net = sweep_gan.generator(row["job"], home)
                with torch.no_grad():
                    made = net(torch.from_numpy(sheet_noise(100, 8, "normal"))).reshape(100, 3, 16, 16)
                sheet = picture(next(home.glob(f"runs/*/samples/{row['job']}.png")))
                # Ten in a row, twice as large, with a pixel between.
                seen = torch.stack(
                    [
                        sheet[2 * (y * 17 + 1) : 2 * (y * 17 + 17) : 2, 2 * (x * 17 + 1) : 2 * (x * 17 + 17) : 2]
                        for y in range(10)
                        for x in range(10)
                    ]
                )
                expected = ((made + 1) * 127.5).permute(0, 2, 3, 1)
                self.assertGreater(expected.std(), 0.5)
                self.assertLess((expected - seen).abs().max().item(), 0.51)
                with self.assertRaisesRegex(SweepError, "only a sheet of images: give n"):
                    sweep_gan.samples(row["job"], home=home)
                self.assertEqual(sweep_gan.samples(row["job"], n=2, home=home).shape, (2, 768))

    def test_layers_have_their_numbers_and_their_weights_can_be_saved(self):
        import torch

        home = scene.home("layers", LAYERS)
        (row,) = [row for row in sweep_gan.results(home, "layers") if row["variant"] == "maps"]
        torch.manual_seed(3)
        expected = torch.rand(1)
        torch.manual_seed(3)
        net = sweep_gan.generator(row["job"][:8], home)
        self.assertEqual(torch.rand(1), expected, "the caller's random numbers are as they were")
        self.assertIsInstance(net, torch.nn.Sequential)
        self.assertFalse(any(module.training for module in net.modules()))
        self.assertIsInstance(net[0], torch.nn.Linear)
        self.assertIsInstance(net[5], torch.nn.ConvTranspose2d)
        with tempfile.TemporaryDirectory() as folder:
            torch.save(net.state_dict(), f"{folder}/net.pt")
            other = sweep_gan.generator(row["job"], home)
            other.load_state_dict(torch.load(f"{folder}/net.pt"))
        noise = net.draw(4, seed=1)
        self.assertTrue(torch.equal(net(noise), other(noise)))
        self.assertTrue(torch.equal(noise, net.draw(4, seed=1)))
        self.assertFalse(torch.equal(noise, net.draw(4, seed=2)))

    def test_samples_are_made_anew(self):
        home = scene.home()
        job = sweep_gan.results(home)[0]["job"]
        saved = sweep_gan.samples(job, home=home)
        self.assertEqual((saved.shape, str(saved.dtype)), ((1000, 2), "float32"))
        made = sweep_gan.samples(job, n=1500, seed=4, home=home)
        self.assertEqual((made.shape, str(made.dtype)), ((1500, 2), "float32"))
        self.assertTrue((made == sweep_gan.samples(job, n=1500, seed=4, home=home)).all())
        self.assertFalse((made == sweep_gan.samples(job, n=1500, home=home)).all())
        # Of the same distribution: means within five standard errors.
        error = (made.var(0) / 1500 + saved.var(0) / 1000) ** 0.5
        self.assertTrue((abs(made.mean(0) - saved.mean(0)) < 5 * error).all())
        with self.assertRaisesRegex(SweepError, "n is 0: expected at least one"):
            sweep_gan.samples(job, n=0, home=home)

    def test_what_is_damaged_or_unknown_is_said(self):
        with tempfile.TemporaryDirectory() as folder:
            home = shutil.copytree(scene.home(), pathlib.Path(folder) / "home")
            job = sweep_gan.results(home)[0]["job"]
            (path,) = [path for path in home.glob("runs/*/generators.safetensors") if job.encode() in path.read_bytes()]
            whole = path.read_bytes()
            length = int.from_bytes(whole[:8], "little")
            narrow = whole[8 : 8 + length].replace(b'"shape":[16,8]', b'"shape":[8,16]')
            for data, words in [
                (whole[: len(whole) // 2], "generators.safetensors is damaged: it ends within .*train the job again"),
                (struct.pack("<Q", 1 << 60) + whole[8:], "is damaged: a header of"),
                (whole[:8] + b"{" + whole[9 : 8 + length].replace(b"{", b"[", 1), "is damaged"),
                (whole[:8] + narrow + whole[8 + length :], "do not fit its networks: .*size mismatch"),
            ]:
                with self.subTest(words):
                    path.write_bytes(data)
                    with self.assertRaisesRegex(SweepError, f"(?s){words}"):
                        sweep_gan.generator(job, home)
            path.unlink()
            with self.assertRaisesRegex(SweepError, f"job {job} has no generator .*the file was removed: restore it"):
                sweep_gan.generator(job, home)
        with self.assertRaisesRegex(SweepError, "weights is 'mean': expected 'ema' or 'raw'"):
            sweep_gan.generator(job, scene.home(), weights="mean")

    def test_a_layer_of_a_later_sweep_is_named(self):
        from sweep_gan import _modules

        for layer, words in [
            ({"attention": {"heads": 2}}, "layer attention"),
            ({"activation": "mish"}, "activation mish"),
            ("minibatch_discrimination", "layer minibatch"),
        ]:
            with self.assertRaisesRegex(ValueError, f"does not know the {words}"):
                _modules.generator({"noise": 2, "generator": [layer]}, {})


class Jobs(unittest.TestCase):
    def test_ids_may_be_cut_as_long_as_they_are_of_one_job(self):
        home = scene.home()
        job = sweep_gan.results(home)[0]["job"]
        whole = sweep_gan.samples(job, home=home)
        self.assertTrue(
            (whole == sweep_gan.samples(job[:12].upper(), home=home)).all()
            if hasattr(whole, "all")
            else whole == sweep_gan.samples(job[:12], home=home)
        )
        ids = [row["job"] for row in sweep_gan.results(home)]
        twice = next(first for first in (job[0] for job in ids) if sum(other[0] == first for other in ids) > 1)
        for prefix, words in [
            (twice, "the ids of . jobs begin with .*give more characters"),
            ("%", "no job whose id begins with '%'"),
            ("", "the id of a job is empty"),
        ]:
            with self.assertRaisesRegex(SweepError, words):
                sweep_gan.samples(prefix, home=home)

    def test_ids_of_earlier_programs_are_known(self):
        with tempfile.TemporaryDirectory() as folder:
            home = shutil.copytree(scene.home(), pathlib.Path(folder) / "home")
            job = sweep_gan.results(home)[0]["job"]
            with contextlib.closing(sqlite3.connect(home / "sweep.db")) as database:
                database.execute("INSERT INTO renamed VALUES ('0123456789abcdefghij', ?)", (job,))
                database.commit()
            saved = sweep_gan.samples(job, home=home)
            sheet = next(home.glob(f"runs/*/samples/{job}.npy"))
            sheet.rename(sheet.with_name("0123456789abcdefghij.npy"))
            for name in (job, "0123456789"):
                self.assertEqual(len(sweep_gan.samples(name, home=home)), len(saved))

    def test_without_numpy_samples_are_lists(self):
        home = scene.home()
        job = sweep_gan.results(home)[0]["job"]
        with mock.patch.dict(sys.modules, numpy=None):
            saved = sweep_gan.samples(job, home=home)
        self.assertEqual((type(saved), len(saved), len(saved[0])), (list, 1000, 2))
        data = next(home.glob(f"runs/*/samples/{job}.npy")).read_bytes()
        self.assertEqual(saved[999], list(struct.unpack("<2f", data[-8:])))

    def test_torch_is_asked_for(self):
        job = sweep_gan.results(scene.home())[0]["job"]
        with mock.patch.dict(sys.modules, {"torch": None, "sweep_gan._modules": None}):
            with self.assertRaisesRegex(SweepError, "generators need torch, .*pip install torch"):
                sweep_gan.generator(job, scene.home())

    def test_jobs_without_a_generator_of_sweep_s(self):
        import test_tables

        job = sweep_gan.results(test_tables.own())[0]["job"]
        with self.assertRaisesRegex(SweepError, "your own trainer trained job .*jobs"):
            sweep_gan.generator(job, test_tables.own())
        with tempfile.TemporaryDirectory() as folder:
            home = shutil.copytree(scene.home(), pathlib.Path(folder) / "home")
            job = sweep_gan.results(home)[0]["job"]
            for sheet in home.glob(f"runs/*/samples/{job}*"):
                sheet.unlink()
            with contextlib.closing(sqlite3.connect(home / "sweep.db")) as database:
                database.execute("UPDATE jobs SET state = 'running' WHERE id = ?", (job,))
                database.commit()
            with self.assertRaisesRegex(SweepError, "when it is done, and this one is running"):
                sweep_gan.samples(job, home=home)


def picture(path):
    """The pixels of a PNG of eight bits a colour, `[height, width, 3]`: what the standard library lacks."""
    import zlib

    import torch

    data, at, packed = path.read_bytes(), 8, b""
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", body[:10])
            assert (depth, colour) == (8, 2), "eight bits of red, green and blue"
        packed += body if kind == b"IDAT" else b""
        at += length + 12
    raw, lines, before = zlib.decompress(packed), [], bytearray(3 * width)
    for row in range(height):
        start = row * (3 * width + 1)
        kind, line = raw[start], bytearray(raw[start + 1 : start + 1 + 3 * width])
        for i in range(len(line)):
            left, up, corner = line[i - 3] if i >= 3 else 0, before[i], before[i - 3] if i >= 3 else 0
            nearest = min((left, up, corner), key=lambda value: abs(left + up - corner - value))
            line[i] = line[i] + (0, left, up, (left + up) // 2, nearest)[kind] & 255
        lines.append(line)
        before = line
    return torch.frombuffer(bytearray(b"".join(lines)), dtype=torch.uint8).reshape(height, width, 3).float()


if __name__ == "__main__":
    unittest.main()
