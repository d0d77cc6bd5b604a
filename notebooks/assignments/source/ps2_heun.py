# %% [markdown]
# # Problem set 2: Heun's sampler, and its order measured
#
# **Time** about 90 minutes · **Points** 24: 21 by tests, 3 by a person · **Needs** problem set 1, Taylor expansion
#
# A denoiser $D(x; \sigma)$ turns sampling into an ordinary differential equation (the *probability-flow ODE*): run the noise level down from $\sigma_{\max}$ to 0 and follow
#
# $$ \frac{dx}{d\sigma} = \frac{x - D(x; \sigma)}{\sigma}. $$
#
# Every evaluation of $D$ is a pass through a network, so a sampler is judged by its error *per evaluation*. You will write the sampler of Karras et al. (arXiv 2206.00364,
# algorithm 1), and then check the textbook's promise, "second order", by measuring it against an exact denoiser.
#
# | task | you write | points |
# |---|---|---|
# | 1 | the noise levels | 4 |
# | 2 | Euler's method | 3 |
# | 3 | Heun's method, and what it costs | 6 + 2 |
# | 4 | the error for several step counts | 3 |
# | 5 | the order, from errors | 3 |
# | 6 | in words: reading the plot | 3 |
#
# Tasks are graded one by one. To keep it so, write the slope $(x - D)/\sigma$ out in each sampler. Visible tests are the cells with `assert`; grading adds hidden ones with
# other numbers. Write the methods yourself: `edm.sampler` gets no points (do read it afterwards).

# %% given="setup"
import math

import torch
from torch import Tensor

from toy2d.paired import draw_start
from toy2d.fractal import fractal

# %% [markdown]
# ## 1 Noise levels
#
# With $N$ steps, $\sigma_0 = \sigma_{\max}$ and $\sigma_{N-1} = \sigma_{\min}$, levels are spaced evenly in $\sigma^{1/\rho}$, and a last level $\sigma_N = 0$ is appended:
#
# $$ \sigma_i = \Big(\sigma_{\max}^{1/\rho} + \tfrac{i}{N-1}\big(\sigma_{\min}^{1/\rho} - \sigma_{\max}^{1/\rho}\big)\Big)^{\rho}, \quad i < N. $$

# %% task="levels"
def noise_levels(
    num_steps: int, sigma_min: float = 0.002, sigma_max: float = 5.0, rho: float = 7.0
) -> Tensor:
    """Decreasing noise levels that end in 0, [num_steps + 1], double precision."""
    ### BEGIN SOLUTION
    t = torch.linspace(0, 1, num_steps, dtype=torch.float64)
    sigmas = (sigma_max ** (1 / rho) + t * (sigma_min ** (1 / rho) - sigma_max ** (1 / rho))) ** rho
    return torch.cat([sigmas, torch.zeros(1, dtype=torch.float64)])
    ### END SOLUTION

# %% test="levels-values" points=4
levels = noise_levels(8)
assert levels.shape == (9,), "N steps have N + 1 levels"
assert math.isclose(levels[0].item(), 5.0, rel_tol=1e-6) and levels[-1] == 0
### BEGIN HIDDEN TESTS
from hidden_checks import ps2
ps2.noise_levels(noise_levels)
### END HIDDEN TESTS

# %% [markdown]
# ## 2 Euler's method
#
# From $\sigma$ to the next level $\sigma'$: $\quad x' = x + (\sigma' - \sigma)\, \dfrac{x - D(x; \sigma)}{\sigma}$.

# %% task="euler"
def euler(denoiser, x: Tensor, sigmas: Tensor) -> Tensor:
    """Follow the ODE from the state x at sigmas[0] to sigmas[-1] = 0 with Euler's method. x: [N, 2]."""
    ### BEGIN SOLUTION
    for sigma, sigma_next in zip(sigmas[:-1], sigmas[1:]):
        x = x + (sigma_next - sigma) * (x - denoiser(x, sigma)) / sigma
    return x
    ### END SOLUTION

# %% test="euler-values" points=3
point = lambda x, sigma: torch.zeros_like(x)  # all data lie at the origin
x = torch.tensor([[3.0, -4.0]], dtype=torch.float64)
end = euler(point, x, torch.tensor([2.0, 1.0, 0.0], dtype=torch.float64))
assert torch.allclose(end, torch.zeros_like(x)), "noise shrinks in proportion to sigma"
### BEGIN HIDDEN TESTS
from hidden_checks import ps2
ps2.euler(euler)
### END HIDDEN TESTS

# %% [markdown]
# ## 3 Heun's method
#
# Euler trusts the slope at the start of the step. Heun goes there and looks: take an Euler step to $\hat x$, evaluate the slope *at* $(\hat x, \sigma')$, go back, and make the step with the mean of the two slopes:
#
# $$ d = \frac{x - D(x; \sigma)}{\sigma}, \qquad \hat x = x + (\sigma' - \sigma)\, d, \qquad d' = \frac{\hat x - D(\hat x; \sigma')}{\sigma'}, \qquad x' = x + (\sigma' - \sigma)\, \frac{d + d'}{2}. $$
#
# When $\sigma' = 0$ the second slope does not exist: that last step stays Euler's. $N$ steps therefore cost exactly $2N - 1$ evaluations, and $D$ is never asked about $\sigma = 0$.

# %% task="heun"
def heun(denoiser, x: Tensor, sigmas: Tensor) -> Tensor:
    """Follow the ODE from the state x at sigmas[0] to sigmas[-1] = 0 with Heun's method. x: [N, 2]."""
    ### BEGIN SOLUTION
    for sigma, sigma_next in zip(sigmas[:-1], sigmas[1:]):
        slope = (x - denoiser(x, sigma)) / sigma
        x_next = x + (sigma_next - sigma) * slope
        if sigma_next > 0:
            slope_next = (x_next - denoiser(x_next, sigma_next)) / sigma_next
            x_next = x + (sigma_next - sigma) * (slope + slope_next) / 2
        x = x_next
    return x
    ### END SOLUTION

# %% test="heun-values" points=6
# Unit normal data: the exact solution is x / sqrt(1 + sigma_max^2) at sigma = 0.
normal = lambda x, sigma: x / (1 + sigma**2)
x = torch.tensor([[3.0, -4.0]], dtype=torch.float64)
fine = torch.cat([torch.linspace(5, 0.01, 400, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)])
assert torch.allclose(heun(normal, x, fine), x / math.sqrt(26), atol=1e-3)
### BEGIN HIDDEN TESTS
from hidden_checks import ps2
ps2.heun(heun)
### END HIDDEN TESTS

# %% test="heun-cost" points=2
asked = []
heun(lambda x, sigma: (asked.append(float(sigma)), x / (1 + sigma**2))[1], x, fine)
assert min(asked) > 0, "never ask the denoiser about sigma = 0"
### BEGIN HIDDEN TESTS
from hidden_checks import ps2
ps2.heun_cost(heun)
### END HIDDEN TESTS

# %% [markdown]
# ## 4 The error of a sampler
#
# Start many points, sample them with $N$ steps, and compare with the `reference`, the same points sampled very finely. The error is the root mean square *distance*:
#
# $$ \varepsilon(N) = \sqrt{\frac1n \sum_{k=1}^n \big\| x_k^{(N)} - x_k^{\text{ref}} \big\|^2 }. $$

# %% task="errors"
def sampling_errors(sampler, denoiser, x: Tensor, schedules: list[Tensor], reference: Tensor) -> list[float]:
    """RMS distance from `reference`, one number for each list of noise levels in `schedules`.

    sampler: called as sampler(denoiser, x, sigmas). x, reference: [n, 2].
    """
    ### BEGIN SOLUTION
    ends = [sampler(denoiser, x, sigmas) for sigmas in schedules]
    return [(end - reference).square().sum(1).mean().sqrt().item() for end in ends]
    ### END SOLUTION

# %% test="errors-values" points=3
still = lambda denoiser, x, sigmas: x
error = sampling_errors(still, None, torch.ones(5, 2), [None], torch.zeros(5, 2))[0]
assert math.isclose(error, math.sqrt(2), rel_tol=1e-5)
### BEGIN HIDDEN TESTS
from hidden_checks import ps2
ps2.sampling_errors(sampling_errors)
### END HIDDEN TESTS

# %% [markdown]
# ## 5 The order
#
# A method of order $p$ has $\varepsilon(N) \approx C N^{-p}$: a straight line of slope $-p$ in a plot of $\log \varepsilon$ against $\log N$. Fit that line by least squares through *all* points and return $p$.

# %% task="order"
def measured_order(step_counts: list[int], errors: list[float]) -> float:
    """Least-squares estimate of p in errors ~ C * step_counts ** -p."""
    ### BEGIN SOLUTION
    log_n = torch.tensor(step_counts, dtype=torch.float64).log()
    log_error = torch.tensor(errors, dtype=torch.float64).log()
    centred = log_n - log_n.mean()
    return -((centred * log_error).sum() / centred.square().sum()).item()
    ### END SOLUTION

# %% test="order-values" points=3
assert math.isclose(measured_order([10, 20, 40], [1.0, 0.5, 0.25]), 1.0, rel_tol=1e-6)
### BEGIN HIDDEN TESTS
from hidden_checks import ps2
ps2.measured_order(measured_order)
### END HIDDEN TESTS

# %% [markdown]
# Now the experiment, on the fractal of 1016 Gaussians. What to see: two straight lines, whose slopes stand in the legend; horizontally, what counts: evaluations of the denoiser.

# %%
import matplotlib.pyplot as plt

exact = fractal("A", torch.float64)
start = draw_start(64, sigma_max=5.0).double()
counts = [8, 16, 32, 64]
reference = heun(exact, start, noise_levels(256))
figure, panel = plt.subplots(figsize=(5, 3.2), constrained_layout=True)
for name, sampler, cost in (("Euler", euler, lambda n: n), ("Heun", heun, lambda n: 2 * n - 1)):
    errors = sampling_errors(sampler, exact, start, [noise_levels(n) for n in counts], reference)
    order = measured_order(counts, errors)
    panel.loglog([cost(n) for n in counts], errors, "o-", label=f"{name}: order {order:.2f}")
    print(name, "  ".join(f"N={n}: {error:.4f}" for n, error in zip(counts, errors)))
panel.set(xlabel="evaluations of the denoiser", ylabel="RMS distance from the reference")
panel.legend();

# %% [markdown]
# ## 6 In words
#
# (a) The two printed numbers for equal *cost*: compare Heun at $N = 16$ (31 evaluations) with Euler at $N = 32$. Which is better, by what factor, and would you expect the factor to grow or shrink with more steps? (b) The last step, from $\sigma_{\min}$ to 0, is only
# Euler's. Why does that not spoil the second order here? *(1 point for (a) with numbers, 2 points for (b).)*

# %% [markdown] written="reading" points=3
# (a) Heun at 31 evaluations is the better one by a factor of a little over three (printed: 0.0105 against 0.035). Its error falls with the square of the number of steps, Euler's only in proportion, so the factor itself grows in proportion to the number of steps.
# (b) The error of the last step is that of one Euler step of length $\sigma_{\min} = 0.002$, of size $\sigma_{\min}^2$ times half the second derivative of the path. The denoiser of smooth data changes little below $\sigma_{\min}$ (the thinnest branches are wider than that), so this is
# a small constant which does not depend on $N$: it would show as a floor far below the errors measured here, not as a change of the slope. The reference makes the same last step, so even the floor cancels.
