"""JAX: one model's step, vmap over K models, the loop over steps inside jit."""

import functools
import os

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import jax
import jax.numpy as jnp
from jax import lax

import serve
from workload import POOL

EPSILON = 1e-8


def conv(x, w, b=None):
    y = lax.conv_general_dilated(x, w, (2, 2), ((2, 2), (2, 2)), dimension_numbers=("NCHW", "OIHW", "NCHW"))
    return y if b is None else y + b[:, None, None]


def deconv(x, w, b, side):
    """Like PyTorch's ConvTranspose2d(…, 5, 2, 2): the mirror of `conv`, to maps of size `side`."""
    pad = (2, side - 2 * x.shape[2] + 3)
    y = lax.conv_general_dilated(
        x, w[:, :, ::-1, ::-1], (1, 1), (pad, pad), lhs_dilation=(2, 2), dimension_numbers=("NCHW", "IOHW", "NCHW")
    )
    return y if b is None else y + b[:, None, None]


def norm(x, scale, shift):
    mean, var = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
    return (x - mean) * lax.rsqrt(var + 1e-5) * scale[:, None, None] + shift[:, None, None]


def leaky(x):
    return jnp.where(x > 0, x, 0.2 * x)


def shapes(w):
    """For all networks' layers: (weight, bias), or (scale, shift) of a normalisation."""
    if w.arch != "dcgan":
        mlp = lambda sizes: [((a, b), (b,)) for a, b in zip(sizes, sizes[1:])]
        d = mlp([w.features, *w.discriminator, 1])
        return [mlp([w.noise, *w.generator, w.features]), d, d]
    m0, m1, m2, m3 = w.maps
    flat = m0 * w.sides[0] ** 2
    bn = lambda m: ((m,), (m,))
    # No bias before a normalisation.
    kernel = lambda a, b, bias=None: ((a, b, 5, 5), bias)
    g = [((w.noise, flat), (flat,)), bn(m0), kernel(m0, m1), bn(m1), kernel(m1, m2), bn(m2), kernel(m2, m3, (m3,))]
    d = [kernel(m2, m3, (m2,)), kernel(m1, m2), bn(m1), kernel(m0, m1), bn(m0), ((flat, 1), (1,))]
    return [g, d, d]


def generate(w, weights, x):
    if w.arch == "dcgan":
        (first, bias), *rest = weights
        x = (x @ first + bias).reshape(-1, w.maps[0], w.sides[0], w.sides[0])
        for i in range(3):
            x = deconv(jax.nn.relu(norm(x, *rest[2 * i])), *rest[2 * i + 1], w.sides[i + 1])
        return jnp.tanh(x)
    for m, b in weights[:-1]:
        x = jax.nn.relu(x @ m + b)
    x = x @ weights[-1][0] + weights[-1][1]
    return jnp.tanh(x) if w.images else x


def judge(w, weights, x):
    if w.arch == "dcgan":
        x = leaky(conv(x, *weights[0]))
        for i in (1, 3):
            x = leaky(norm(conv(x, *weights[i]), *weights[i + 1]))
        x = x.reshape(x.shape[0], -1)
    else:
        for m, b in weights[:-1]:
            x = leaky(x @ m + b)
    return (x @ weights[-1][0] + weights[-1][1])[:, 0]


def both(w, weights, real, fake):
    if w.arch == "dcgan":
        return judge(w, weights, real), judge(w, weights, fake)
    return jnp.split(judge(w, weights, jnp.concatenate([real, fake])), 2)


def adam(w, state, grads):
    weights, m, v, t = state
    b1, b2 = w.betas
    t = t + 1
    m = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, m, grads)
    v = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, v, grads)
    size, root = w.lr / (1 - b1**t), 1 / jnp.sqrt(1 - b2**t)
    weights = jax.tree.map(lambda p, m, v: p - size * m / (jnp.sqrt(v) * root + EPSILON), weights, m, v)
    return weights, m, v, t


def step(w, state, alpha, beta, real, noise, fresh):
    """One step of one model: its new state and both losses."""
    g, d = state
    softplus = jax.nn.softplus
    fake = generate(w, g[0], noise)

    def d_loss(weights):
        (real1, fake1), (real2, fake2) = (both(w, weights[i], real, fake) for i in range(2))
        first = -alpha * jnp.log(softplus(real1)).mean() + softplus(fake1).mean()
        return first + softplus(real2).mean() - beta * jnp.log(softplus(fake2)).mean()

    d_value, grads = jax.value_and_grad(d_loss)(d[0])
    d = adam(w, d, grads)

    def g_loss(weights):
        fake = generate(w, weights, fresh)
        fake1, fake2 = (judge(w, d[0][i], fake) for i in range(2))
        return -softplus(fake1).mean() + beta * jnp.log(softplus(fake2)).mean()

    g_value, grads = jax.value_and_grad(g_loss)(g[0])
    return (adam(w, g, grads), d), (d_value, g_value)


class Peer:
    batched = True

    def __init__(self, w, members=1, device="cpu", compiled=False):
        assert not compiled, "it always is"
        self.w, self.members = w, members
        self.device = jax.devices("cuda" if device != "cpu" else "cpu")[0]
        self.shape = w.shape if w.arch == "dcgan" else (w.features,)
        with jax.default_device(self.device):
            key = jax.random.key(0)
            networks = []
            for network in shapes(w):
                networks.append([])
                for first, second in network:
                    key, now = jax.random.split(key)
                    drawn = w.std * jax.random.normal(now, (members, *first))
                    weight = drawn if len(first) > 1 else jnp.ones((members, *first))
                    networks[-1].append((weight, None if second is None else jnp.zeros((members, *second))))
            self.set_networks(networks)
            self.pool = jax.random.uniform(key, (POOL, *self.shape), minval=-1)
            self.keys = jax.random.split(key, members)
            column = lambda values: jnp.asarray((values * members)[:members])
            self.alpha, self.beta = column(w.alpha), column(w.beta)
        self.one = jax.jit(jax.vmap(functools.partial(step, w)))
        self.many = jax.jit(self.loop, donate_argnums=(0, 1))

    def set_networks(self, networks):
        g, d = networks[0], networks[1:]
        zeros = lambda tree: jax.tree.map(jnp.zeros_like, tree)
        fresh = lambda tree: (tree, zeros(tree), zeros(tree), jnp.zeros(self.members))
        self.state = (fresh(g), fresh(d))

    def loop(self, state, keys, steps):
        w = self.w

        def one(state, key, alpha, beta):
            key, for_data, for_noise, for_fresh = jax.random.split(key, 4)
            real = self.pool[jax.random.randint(for_data, (w.batch,), 0, POOL)]
            noise = jax.random.normal(for_noise, (w.batch, w.noise))
            fresh = jax.random.normal(for_fresh, (w.batch, w.noise))
            return step(w, state, alpha, beta, real, noise, fresh)[0], key

        body = lambda _, carry: jax.vmap(one)(*carry, self.alpha, self.beta)
        return lax.fori_loop(0, steps, body, (state, keys))

    def train(self, steps):
        self.state, self.keys = self.many(self.state, self.keys, steps)
        jax.block_until_ready(self.state)

    # For the check that all peers compute the same.

    def set_weights(self, weights):
        """Replaces the random tensors by these, in order; the rest stays as initialised."""
        drawn = iter(matrix for matrices in weights for matrix in matrices)

        def place(pair):
            if pair[0].ndim < 3:
                return pair
            matrix = next(drawn)
            return jnp.asarray(matrix.swapaxes(1, 2) if matrix.ndim == 3 else matrix), pair[1]

        networks = [self.state[0][0], *self.state[1][0]]
        self.set_networks([[place(pair) for pair in network] for network in networks])

    def losses(self, real, noise, fresh):
        real = real.reshape(*real.shape[:2], *self.shape)
        inputs = (x.astype("float32") for x in (real, noise, fresh))
        self.state, losses = self.one(self.state, self.alpha, self.beta, *inputs)
        return [loss.tolist() for loss in losses]


if __name__ == "__main__":
    serve.main(Peer)
