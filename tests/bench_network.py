"""Speed of the EDM2 network, side by side in one run.

python -m tests.bench_network            # CPU: against the plain formulation, and GFLOP/s reached, 1 minute
python -m tests.bench_network --gpu      # GPU: images/s of the guided sampler, about 10 minutes, most of it compiling
python -m tests.bench_network --gpu --tiny   # the same steps with small networks, on whatever machine there is
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from edm import guidance, sampler
from edm.loss import edm2_loss
from edm.network import PRESETS, EDM2Denoiser
from tests import plain_network

CLASSES = 10


def random_network(**kwargs) -> EDM2Denoiser:
    """A network of random weights in which every part has a say (a new one has gains of 0)."""
    denoiser = EDM2Denoiser(**kwargs)
    with torch.no_grad():
        for name, parameter in denoiser.named_parameters():
            if name.endswith("gain"):
                parameter.fill_(0.5)
    return denoiser


def relative(found: Tensor, wanted: Tensor) -> float:
    return float(((found - wanted).float().norm() / wanted.float().norm()).detach())


def interleaved(functions: dict[str, Callable], repeats: int) -> dict[str, float]:
    """Median seconds of each function, called in turn so that all meet the same weather."""
    seconds = {name: [] for name in functions}
    for i in range(repeats + 1):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - start)
            if i == 0:
                seconds[name].clear()  # the first call warms up
    return {name: statistics.median(values) for name, values in seconds.items()}


def cpu(preset: str, batch: int, repeats: int) -> dict:
    """Seconds of a sampling forward and of a training step, ours and plain; and how far their results differ."""
    kwargs = PRESETS[preset]
    layout = len(kwargs["channel_mult"]), kwargs["num_blocks"]
    torch.manual_seed(0)
    ours = random_network(**kwargs).to(memory_format=torch.channels_last)  # as `edm.train` has it
    state = {name: tensor.clone().contiguous() for name, tensor in ours.state_dict().items()}
    weights = [v.requires_grad_() for name, v in state.items() if not name.endswith(("freqs", "phases"))]
    images, noise = torch.rand(batch, *ours.img_shape) - 0.5, torch.randn(batch, *ours.img_shape)
    sigma, labels = torch.rand(batch) + 0.2, torch.eye(CLASSES)[torch.arange(batch) % CLASSES]
    sampler_network = ours.for_sampling()

    @torch.no_grad()
    def forward_ours():
        return sampler_network(images, sigma, labels)

    @torch.no_grad()
    def forward_plain():
        return plain_network.denoise(state, images, sigma, labels, *layout)

    difference = relative(forward_ours(), forward_plain())
    forward = interleaved({"ours": forward_ours, "plain": forward_plain}, repeats)

    def trainer(normalize, loss, parameters):
        optimizer = torch.optim.Adam(parameters, lr=1e-3, betas=(0.9, 0.99))

        def step():
            normalize()
            optimizer.zero_grad()
            (loss().sum() / batch).backward()
            optimizer.step()

        return step

    train_ours = trainer(
        ours.normalize_weights, lambda: edm2_loss(ours, images, sigma, noise, labels), list(ours.parameters())
    )
    train_plain = trainer(
        lambda: plain_network.force_norms(state),
        lambda: plain_network.loss(state, images, sigma, noise, labels, *layout),
        weights,
    )
    step = interleaved({"ours": train_ours, "plain": train_plain}, repeats)
    with torch.no_grad():
        trained = relative(ours(images, sigma, labels), forward_plain())
    return {
        "preset": preset,
        "batch": batch,
        "forward_seconds": forward,
        "forward_ratio": forward["plain"] / forward["ours"],
        "forward_difference": difference,
        "step_seconds": step,
        "step_ratio": step["plain"] / step["ours"],
        "difference_after_training": trained,
    }


def gflops(preset: str, batch: int, repeats: int, dtype: torch.dtype, size: int = 1024) -> dict:
    """GFLOP/s of training and sampling on the CPU, beside a matrix product of `size` in the same arithmetic.

    A multiplication and an addition are two operations; those of matrix products, convolutions and attention are counted.
    """
    torch.manual_seed(0)
    network = random_network(**PRESETS[preset]).to(memory_format=torch.channels_last)
    network.dtype = dtype
    for_sampling = network.for_sampling(dtype)
    images, noise = torch.rand(batch, *network.img_shape) - 0.5, torch.randn(batch, *network.img_shape)
    sigma, labels = torch.rand(batch) + 0.2, torch.arange(batch) % CLASSES
    a, b = torch.randn(2, size, size).to(dtype)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)

    def training() -> None:
        network.normalize_weights()
        optimizer.zero_grad()
        (edm2_loss(network, images, sigma, noise, labels).sum() / batch).backward()
        optimizer.step()

    @torch.no_grad()
    def sampling() -> Tensor:
        return for_sampling(images, sigma, labels)

    functions = {"training": training, "sampling": sampling, "matrix_product": lambda: a @ b}
    operations = {}
    for name, function in functions.items():
        with FlopCounterMode(display=False) as counter:
            function()
        operations[name] = counter.get_total_flops()
    seconds = interleaved(functions, repeats)
    return {"preset": preset, "batch": batch, "arithmetic": str(dtype).removeprefix("torch.")} | {
        f"{name}_gflops": operations[name] / seconds[name] / 1e9 for name in functions
    }


def gpu(
    main_kwargs: dict, guide_kwargs: dict, batch: int, num_steps: int, device: str, dtype: torch.dtype, mode: str
) -> dict:
    """Images/s of the guided sampler, half precision and compiled; and its result beside that in float32."""
    torch.manual_seed(0)
    networks = [random_network(**kwargs).to(device) for kwargs in (main_kwargs, guide_kwargs)]
    fast, exact = [n.for_sampling(dtype) for n in networks], [n.for_sampling(torch.float32) for n in networks]
    for network in fast:
        network.compile(mode=mode)
    sigmas = sampler.sigma_steps(num_steps)
    x = torch.randn(batch, *networks[0].img_shape, device=device) * sigmas[0].float().item()
    labels = torch.arange(batch, device=device) % main_kwargs["label_dim"]

    def images(pair: list[EDM2Denoiser], n: int, sigmas: Tensor) -> Tensor:
        out = sampler.sample(guidance.guide(*pair, 1.7), x[:n], sigmas, labels[:n])
        if x.is_cuda:
            torch.cuda.synchronize()
        return out

    start = time.perf_counter()
    images(fast, batch, sampler.sigma_steps(2))
    warm_up = time.perf_counter() - start
    start = time.perf_counter()
    result = images(fast, batch, sigmas)
    seconds = time.perf_counter() - start
    n = min(batch, 8)
    with torch.no_grad():
        single = [
            relative(a(x[:n], 5.0, labels[:n]), b(x[:n], 5.0, labels[:n])) for a, b in zip(fast, exact, strict=True)
        ]
    return {
        "batch": batch,
        "images_per_second": batch / seconds,
        "seconds": seconds,
        "warm_up_seconds": warm_up,
        "evaluations": 2 * num_steps - 1,
        "sample_difference": relative(result[:n], images(exact, n, sigmas)),
        "network_differences": single,
    }


def measure(on_gpu: bool = False, tiny: bool = False, mode: str = "default") -> list[dict]:
    """All measurements of one kind as plain dictionaries."""
    if not on_gpu:
        sizes = [("digits", 8, 2)] if tiny else [("digits", 64, 15), ("img32", 4, 7)]
        reached = ("digits", 8, 2) if tiny else ("img16", 128, 7)  # img16 is the network of fashion-16
        return [cpu(*size) for size in sizes] + [gflops(*reached, dtype) for dtype in (torch.float32, torch.bfloat16)]
    torch.backends.cudnn.benchmark = True  # fixed shapes: let cuDNN find its fastest kernels
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False  # float32 is to be float32
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if not tiny and device == "cpu":
        raise SystemExit("no GPU here: --tiny rehearses the same steps on the CPU")
    main, guide = (PRESETS[name] for name in (("digits", "digits") if tiny else ("img64-s", "img64-xs")))
    batches, steps = ((4, 2), 4) if tiny else ((256, 32), 32)
    options = {"device": device, "dtype": torch.float16, "mode": mode}
    return [gpu(main, guide, batch, steps, **options) for batch in batches]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpu", action="store_true", help="the sampler on a GPU instead of the network on the CPU")
    parser.add_argument("--tiny", action="store_true", help="small networks and few repeats")
    parser.add_argument("--mode", default="default", help="of torch.compile, for --gpu")
    args = parser.parse_args()
    for result in measure(args.gpu, args.tiny, args.mode):
        print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
