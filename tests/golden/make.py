"""Makes the golden files of this folder: every form of AFT and its gradients, by JAX in float64.

    python3 -m venv /tmp/golden
    /tmp/golden/bin/pip install jax==0.10.2 numpy==2.4.6 safetensors==0.8.0
    /tmp/golden/bin/python tests/golden/make.py

The forms are written from the equations of the paper (arXiv 2105.14103), all pairs at once, and the gradients are those
of jax.vjp: nothing is shared with the code that the files test. AFT-conv is Eq. 6 as it stands, convolution and all,
save for keys too large for its exponentials, where it is the sum over pairs with its kernel as their bias.

A file holds f32 inputs q, k, v, dy, mask (u8, 1 where a key counts) and w (or w_u, w_v; or w_raw, w_gamma, w_beta), f64
results y, dq, dk, dv and dw (or dw_u, ...), and one metadata entry `aft` of JSON. Layouts are those of
src/reference/aft. Keys and values that do not count hold NaN.
"""

import json
import pathlib
import zlib

import jax
import jax.numpy as jnp
import numpy as np
from safetensors.numpy import save_file

jax.config.update("jax_enable_x64", True)
FOLDER = pathlib.Path(__file__).parent


# Eq. 2: the sum over pairs, with a bias w [H or 1, T, T].
def over_pairs(q, k, v, w, allowed):
    """q, v [B, T, D]; k [B, T, H]; allowed [B, T, T]: whether row t sees key t'."""
    k = jnp.repeat(k, v.shape[2] // k.shape[2], axis=2)
    w = jnp.repeat(w, v.shape[2] // w.shape[0], axis=0)
    x = k.transpose(0, 2, 1)[:, :, None, :] + w[None]  # [B, D, T, T]
    allowed = allowed[:, None]
    largest = jax.lax.stop_gradient(jnp.max(jnp.where(allowed, x, -jnp.inf), axis=3, keepdims=True))
    x = jnp.where(allowed, x - jnp.where(jnp.isfinite(largest), largest, 0.0), 0.0)
    weight = jnp.where(allowed, jnp.exp(x), 0.0)
    num = jnp.einsum("bdts,bsd->btd", weight, v)
    den = jnp.einsum("bdts->btd", weight)
    return gated(q, num, den)


def gated(q, num, den):
    """A row without a key has num = den = 0, and is 0."""
    mean = num / jnp.where(den > 0.0, den, 1.0)
    return mean if q is None else mean / (1.0 + jnp.exp(-q))


# Eq. 6: a convolution with e^w - 1 beside the whole sum. The kernel is [H, s] or [H, s, s].
def by_convolution(q, k, v, kernel, case, mask):
    size = v.shape[2] // k.shape[2]
    weight = jnp.where(mask[:, :, None], jnp.exp(k), 0.0)
    kernel = jnp.expm1(kernel)
    if case["variant"] == "conv2d" and case["causal"]:
        taps, middle = kernel.shape[1] ** 2, kernel.shape[1] ** 2 // 2
        past = (jnp.arange(taps) <= middle).reshape(kernel.shape[1:])
        kernel = jnp.where(past, kernel, 0.0)

    def summed(x, kernel):
        total = jnp.cumsum(x, axis=1) if case["causal"] else jnp.broadcast_to(x.sum(1, keepdims=True), x.shape)
        return total + convolution(x, kernel, case)

    den = jnp.repeat(summed(weight, kernel), size, axis=2)
    num = summed(jnp.repeat(weight, size, axis=2) * v, jnp.repeat(kernel, size, axis=0))
    return gated(q, num, den)


def convolution(x, kernel, case):
    """Of x [B, T, C] with a kernel for each channel [C, ...], zero outside."""
    s = kernel.shape[1]
    image = x.transpose(0, 2, 1)
    if case["variant"] == "conv2d":
        image = image.reshape(*image.shape[:2], *case["grid"])
        padding = [(s // 2, s // 2)] * 2
    else:
        padding = [(s - 1, 0) if case["causal"] else (s // 2, s // 2)]
    out = jax.lax.conv_general_dilated(
        image, kernel[:, None], (1,) * len(padding), padding, feature_group_count=x.shape[2]
    )
    return out.reshape(x.shape[0], x.shape[2], x.shape[1]).transpose(0, 2, 1)


# Eq. 4 and the conv kernel as a bias of pairs: offset n = t' - t.
def of_band(band, case):
    time, s = band.shape[0], case["window"]
    rows, columns = np.divmod(np.arange(time * time), time)
    inside = (abs(columns - rows) < s) & ((columns <= rows) | (not case["causal"]))
    w = jnp.zeros((time, time))
    rows, columns = rows[inside], columns[inside]
    return w.at[rows, columns].set(band[rows, columns - rows + s - 1])[None]


def of_kernel(kernel, case):
    heads, s, time = kernel.shape[0], kernel.shape[1], case["time"]
    t, key = np.divmod(np.arange(time * time), time)
    if case["variant"] == "conv1d":
        taps = [key - t + (s - 1 if case["causal"] else s // 2)]
    else:
        columns = case["grid"][1]
        taps = [key // columns - t // columns + s // 2, key % columns - t % columns + s // 2]
    inside = np.logical_and.reduce([(0 <= tap) & (tap < s) for tap in taps])
    w = jnp.zeros((heads, time, time))
    return w.at[:, t[inside], key[inside]].set(kernel[(slice(None), *[tap[inside] for tap in taps])])


# Eq. 8, with w = beta where all taps are equal.
def normalised(raw, gamma, beta):
    axes = tuple(range(1, raw.ndim))
    wide = (slice(None),) + (None,) * len(axes)
    equal = (raw == raw[(slice(None),) + (slice(0, 1),) * len(axes)]).all(axes, keepdims=True)
    centred = jnp.where(equal, 0.0, raw - raw.mean(axes, keepdims=True))
    variance = (centred**2).mean(axes, keepdims=True)
    std = jnp.sqrt(jnp.where(equal, 1.0, variance))
    return gamma[wide] * centred / std + beta[wide]


def evaluate(case, inputs, mask):
    """y of a case, of its inputs in float64."""
    time, s = case["time"], case["window"]
    q = inputs.get("q")
    k, v = (jnp.where(mask[:, :, None], inputs[name], 0.0) for name in "kv")
    keys = np.arange(time)
    allowed = jnp.broadcast_to(mask[:, None, :], (mask.shape[0], time, time))
    if case["causal"]:
        allowed = allowed & (keys[None, :] <= keys[:, None])[None]
    if case["variant"].startswith("conv"):
        kernel = inputs["w"] if "w" in inputs else normalised(*(inputs[f"w_{n}"] for n in ("raw", "gamma", "beta")))
        if case["hostile"]:
            return over_pairs(q, k, v, of_kernel(kernel, case), allowed)
        return by_convolution(q, k, v, kernel, case, mask)
    if case["variant"] == "simple":
        w = jnp.zeros((1, time, time))
    elif "w_u" in inputs:
        near = abs(keys[None, :] - keys[:, None]) < (time if case["variant"] == "full" else s)
        w = jnp.where(near, inputs["w_u"] @ inputs["w_v"].T, 0.0)[None]
    elif case["variant"] == "full":
        w = inputs["w"][None]
    else:
        w = of_band(inputs["w"], case)
    return over_pairs(q, k, v, w, allowed)


def make(name, variant, causal, *, window=None, grid=None, heads=None, bias="dense", rank=3,
         batch=2, time=11, dim=5, gate="sigmoid", masked=False, hostile=False, offset=0.0):
    """Draws the inputs of a case from a seed of its name, evaluates it and writes its file."""
    random = np.random.default_rng(zlib.crc32(name.encode()))

    def normal(*shape):
        return random.standard_normal(shape, dtype=np.float32)

    time = grid[0] * grid[1] if grid else time
    heads = heads or dim
    inputs = {"q": normal(batch, time, dim), "k": normal(batch, time, heads), "v": normal(batch, time, dim)}
    inputs["v"] += np.float32(offset)
    if variant == "full" or variant == "local":
        if bias == "factorised":
            inputs |= {"w_u": normal(time, rank), "w_v": normal(time, rank)}
        else:
            width = time if variant == "full" else window if causal else max(2 * window - 1, 0)
            inputs["w"] = normal(time, width)
    elif variant.startswith("conv"):
        kernel = normal(heads, window, window) if variant == "conv2d" else normal(heads, window)
        if bias == "normalised":
            kernel[0] = kernel.flat[0]  # equal taps
            inputs |= {"w_raw": kernel, "w_gamma": normal(heads), "w_beta": normal(heads)}
        else:
            inputs["w"] = kernel
    if hostile:
        # Thousands apart, with ties among the largest: keys of -1, 0, 1 times 3000 and biases that undo some of them.
        for key in ("k", "w"):
            if key in inputs:
                inputs[key] += 3000 * random.integers(-1, 2, inputs[key].shape).astype(np.float32)
        inputs["q"] *= np.float32(20.0)
    if gate == "none":
        del inputs["q"]
    dy = normal(batch, time, dim)
    mask = np.ones((batch, time), bool)
    if masked:
        mask = random.random((batch, time)) < 0.7
        mask[0, 0], mask[-1], mask[0, 2] = False, False, True
        for name_of in "kv":
            inputs[name_of][~mask] = np.nan

    case = {"variant": variant, "causal": causal, "window": window, "grid": grid, "heads": heads, "bias": bias,
            "batch": batch, "time": time, "dim": dim, "gate": gate, "hostile": hostile}
    if variant == "simple":
        case["bias"] = "none"
    wide = {key: jnp.asarray(value, jnp.float64) for key, value in inputs.items()}
    y, pull = jax.vjp(lambda wide: evaluate(case, wide, jnp.asarray(mask)), wide)
    (gradients,) = pull(jnp.asarray(dy, jnp.float64))

    tensors = {**inputs, "dy": dy, "y": np.asarray(y)}
    tensors |= {f"d{key}": np.asarray(value) for key, value in gradients.items()}
    if masked:
        tensors["mask"] = mask.astype(np.uint8)
    for key, value in tensors.items():
        assert key in ("k", "v") or np.isfinite(value).all(), (name, key)
    versions = {"jax": jax.__version__, "numpy": np.__version__}
    header = json.dumps({**case, "versions": versions}, sort_keys=True)
    tensors = {key: np.ascontiguousarray(value) for key, value in tensors.items()}
    save_file(tensors, FOLDER / f"{name}.safetensors", metadata={"aft": header})


def main():
    for old in FOLDER.glob("*.safetensors"):
        old.unlink()
    for causal in (True, False):
        end = "causal" if causal else "all"
        # Eq. 5
        make(f"simple-{end}", "simple", causal)
        make(f"simple-{end}-mask", "simple", causal, masked=True, time=9, dim=3)
        make(f"simple-{end}-nogate-one", "simple", causal, gate="none", batch=3, time=1, dim=1)
        make(f"simple-{end}-hostile", "simple", causal, hostile=True, dim=3)
        # Eq. 2
        make(f"full-{end}", "full", causal)
        make(f"full-{end}-long", "full", causal, batch=1, time=67, dim=3)
        make(f"full-{end}-mask", "full", causal, masked=True, batch=3, time=9, dim=7)
        make(f"full-{end}-hostile", "full", causal, hostile=True, dim=3)
        make(f"full-{end}-offset-nogate", "full", causal, offset=1000.0, gate="none", batch=1, dim=3)
        make(f"full-{end}-factorised", "full", causal, bias="factorised")
        make(f"full-{end}-factorised-mask", "full", causal, bias="factorised", masked=True, rank=5, gate="none")
        # Eq. 4
        for window in (0, 1, 4, 11, 15):
            make(f"local-{end}-{window}", "local", causal, window=window, dim=3)
        make(f"local-{end}-long", "local", causal, window=9, batch=1, time=67, dim=3)
        make(f"local-{end}-mask", "local", causal, window=3, masked=True, gate="none", batch=3)
        make(f"local-{end}-hostile", "local", causal, window=5, hostile=True, dim=3)
        make(f"local-{end}-factorised", "local", causal, window=4, bias="factorised")
        make(f"local-{end}-factorised-mask", "local", causal, window=14, bias="factorised", masked=True)
        # Eq. 6 and 8
        for window, heads in ((1, 1), (4 if causal else 5, 3), (23, 2)):
            make(f"conv1d-{end}-{window}", "conv1d", causal, window=window, heads=heads, dim=6)
        make(f"conv1d-{end}-mask", "conv1d", causal, window=3, heads=3, dim=9, masked=True, gate="none")
        make(f"conv1d-{end}-hostile", "conv1d", causal, window=5, heads=2, dim=4, hostile=True)
        make(f"conv1d-{end}-normalised", "conv1d", causal, window=7, heads=3, dim=6, bias="normalised")
        for window, heads, grid in ((1, 1, (3, 5)), (3, 3, (3, 5)), (9, 2, (4, 3)), (3, 2, (1, 7))):
            name = f"conv2d-{end}-{window}-on-{grid[0]}x{grid[1]}"
            make(name, "conv2d", causal, window=window, heads=heads, grid=grid, dim=6)
        make(f"conv2d-{end}-mask", "conv2d", causal, window=3, heads=1, grid=(3, 3), dim=3, masked=True, gate="none")
        make(f"conv2d-{end}-hostile", "conv2d", causal, window=3, heads=2, grid=(5, 2), dim=4, hostile=True)
        make(f"conv2d-{end}-normalised", "conv2d", causal, window=5, heads=3, grid=(3, 4), dim=6, bias="normalised")


main()
