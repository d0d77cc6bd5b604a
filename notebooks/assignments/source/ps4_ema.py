# %% [markdown]
# # Problem set 4: power-function averages, and how to choose one after training
#
# **Time** about 2 hours · **Points** 24: 21 by tests, 3 by a person · **Needs** integrals of powers, linear systems
#
# Diffusion models are sampled with an *average* of the weights seen in training. How long the average reaches back matters as much as many a design decision; for guidance, main model and guide even want different lengths.
# Karras et al. (arXiv 2312.02696) average with weights that grow as a power of training time, and show how any length can be had *after* training from a few stored averages. You will build all of it.
#
# | task | you write | points |
# |---|---|---|
# | 1 | exponent ↔ width | 2 + 3 |
# | 2 | the running average | 3 + 3 |
# | 3 | the overlap of two profiles | 4 |
# | 4 | coefficients of the reconstruction | 4 |
# | 5 | putting the weights together | 2 |
# | 6 | in words: what can be reconstructed? | 3 |
#
# Tasks are graded one by one. Visible tests are the cells with `assert`; grading adds hidden ones with other numbers. `edm.ema` holds all of this: read it afterwards, calling it gets no points.

# %% given="setup"
import math

import numpy as np
import torch

from toy2d.train import train_steps

# %% [markdown]
# ## 1 The profile and its width
#
# At time $t$, the average weighs the network's weights of time $\tau$ with the *profile*
#
# $$ p_{t,\gamma}(\tau) = \frac{\gamma + 1}{t} \Big(\frac{\tau}{t}\Big)^{\gamma}, \qquad 0 \le \tau \le t . $$
#
# Its relative width $\sigma_{\text{rel}}$ is its standard deviation divided by $t$. Compute mean and variance of $\tau / t$ and write the width as a function of $\gamma$.

# %% task="width"
def width(gamma: float) -> float:
    """Relative width of the profile of exponent gamma."""
    ### BEGIN SOLUTION
    return math.sqrt((gamma + 1) / ((gamma + 2) ** 2 * (gamma + 3)))
    ### END SOLUTION

# %% test="width-values" points=2
assert math.isclose(width(0.0), math.sqrt(1 / 12), rel_tol=1e-6), "gamma = 0 is the uniform distribution"
### BEGIN HIDDEN TESTS
from hidden_checks import ps4
ps4.width(width)
### END HIDDEN TESTS

# %% [markdown]
# People think in widths, programs need exponents. Solve $\sigma_{\text{rel}}^2 (\gamma + 2)^2 (\gamma + 3) = \gamma + 1$ for $\gamma$: multiply out to a cubic polynomial, find its roots (`numpy.roots`), and return the one that is meant. Hint: which root is a profile that *grows* with time?

# %% task="exponent"
def exponent(relative_width: float) -> float:
    """Exponent gamma > 0 of the profile of that relative width, 0 < relative_width < 0.288."""
    ### BEGIN SOLUTION
    s = relative_width**-2
    return float(max(np.roots([1, 7, 16 - s, 12 - s]).real))
    ### END SOLUTION

# %% test="exponent-values" points=3
assert math.isclose(exponent(0.10), 6.94, abs_tol=0.01)
### BEGIN HIDDEN TESTS
from hidden_checks import ps4
ps4.exponent(exponent)
### END HIDDEN TESTS

# %% [markdown]
# ## 2 The running average
#
# No one can store all weights of a training. But the average at time $t$ is a mixture of the average at time $t - \Delta$ and of what came in between, with the *decay*
#
# $$ \bar\theta_t = \beta\, \bar\theta_{t - \Delta} + (1 - \beta)\, \theta_t, \qquad \beta = \int_0^{t - \Delta} p_{t,\gamma}(\tau)\, d\tau . $$
#
# Work out the integral.

# %% task="decay"
def decay(gamma: float, t: float, delta: float) -> float:
    """beta of a step of length delta that ends at time t, 0 < delta <= t."""
    ### BEGIN SOLUTION
    return (1 - delta / t) ** (gamma + 1)
    ### END SOLUTION

# %% test="decay-values" points=3
assert decay(3.0, 5.0, 5.0) == 0.0, "the first step forgets the start"
assert math.isclose(decay(0.0, 4.0, 1.0), 0.75), "a plain mean: the fourth value counts a quarter"
### BEGIN HIDDEN TESTS
from hidden_checks import ps4
ps4.decay(decay)
### END HIDDEN TESTS

# %% [markdown]
# Now average a sequence of values, seen after steps $1, 2, \dots, T$, each of length 1. To keep the tasks apart, the decay is an argument here: `decay_of(gamma, t, delta)`.

# %% task="track"
def running_average(values: torch.Tensor, gamma: float, decay_of) -> torch.Tensor:
    """The average after the last of T steps.

    values: [T, ...], the first seen at t = 1; decay_of: as `decay` above.
    """
    ### BEGIN SOLUTION
    average = torch.zeros_like(values[0])
    for step, value in enumerate(values, 1):
        beta = decay_of(gamma, step, 1)
        average = beta * average + (1 - beta) * value
    return average
    ### END SOLUTION

# %% test="track-values" points=3
plain = lambda gamma, t, delta: 1 - delta / t
mean = running_average(torch.tensor([1.0, 2.0, 6.0]), 0.0, plain)
assert torch.allclose(mean, torch.tensor(3.0)), "gamma = 0: the mean"
### BEGIN HIDDEN TESTS
from hidden_checks import ps4
ps4.running_average(running_average)
### END HIDDEN TESTS

# %% [markdown]
# ## 3 How alike are two averages?
#
# The reconstruction needs the inner product of two profiles, $\langle a, b \rangle = \int_0^\infty p_{t_a,\gamma_a}(\tau)\, p_{t_b,\gamma_b}(\tau)\, d\tau$. Each profile is 0 after its own time, so the integral ends at the earlier of $t_a$ and $t_b$. Find a formula; mind that either time may be the earlier one.

# %% task="overlap"
def overlap(t_a: float, gamma_a: float, t_b: float, gamma_b: float) -> float:
    """Inner product of the profiles (t_a, gamma_a) and (t_b, gamma_b)."""
    ### BEGIN SOLUTION
    first = min(t_a, t_b)
    scale = (gamma_a + 1) * (gamma_b + 1) / (gamma_a + gamma_b + 1)
    return scale * (first / t_a) ** gamma_a * (first / t_b) ** gamma_b * first / (t_a * t_b)
    ### END SOLUTION

# %% test="overlap-values" points=4
assert math.isclose(overlap(2.0, 0.0, 2.0, 0.0), 0.5), "two uniform profiles on [0, 2]"
assert math.isclose(overlap(2.0, 0.0, 4.0, 0.0), 0.25)
### BEGIN HIDDEN TESTS
from hidden_checks import ps4
ps4.overlap(overlap)
### END HIDDEN TESTS

# %% [markdown]
# ## 4 Coefficients
#
# Stored are averages $a_1, \dots, a_n$ with times $t_i$ and exponents $\gamma_i$. Wanted is the average $b$ of time $t$ and exponent $\gamma$. The combination $\sum_i x_i a_i$ whose profile comes nearest to that of $b$ (least squares) solves
#
# $$ A x = c, \qquad A_{ij} = \langle a_i, a_j \rangle, \quad c_i = \langle a_i, b \rangle . $$
#
# Weights that are averaged should get coefficients of sum 1: divide $x$ by its sum. The overlap is an argument again.

# %% task="coefficients"
def coefficients(overlap_of, times: list[float], gammas: list[float], t: float, gamma: float) -> np.ndarray:
    """Coefficients of the stored averages, [n], sum 1, double precision. overlap_of: as `overlap` above."""
    ### BEGIN SOLUTION
    stored = list(zip(times, gammas))
    matrix = np.array([[overlap_of(*a, *b) for b in stored] for a in stored])
    target = np.array([overlap_of(*a, t, gamma) for a in stored])
    x = np.linalg.solve(matrix, target)
    return x / x.sum()
    ### END SOLUTION

# %% test="coefficients-values" points=4
toy = lambda t_a, g_a, t_b, g_b: 1.0 if (t_a, g_a) == (t_b, g_b) else 0.5
found = coefficients(toy, [1.0, 2.0], [3.0, 3.0], 2.0, 3.0)
assert np.allclose(found, [0.0, 1.0]), "what is stored needs no other"
### BEGIN HIDDEN TESTS
from hidden_checks import ps4
ps4.coefficients(coefficients)
### END HIDDEN TESTS

# %% [markdown]
# ## 5 Put together
#
# Snapshots are dictionaries from parameter names to tensors. Add them up with the coefficients, in double precision (coefficients can be large and of both signs), and give the result the precision of the first snapshot.

# %% task="combine"
def combine(snapshots: list[dict[str, torch.Tensor]], x) -> dict[str, torch.Tensor]:
    """Sum over i of x[i] * snapshots[i], tensor by tensor, in the dtype of the first snapshot's tensors."""
    ### BEGIN SOLUTION
    return {
        name: sum(float(c) * snapshot[name].double() for c, snapshot in zip(x, snapshots)).to(first.dtype)
        for name, first in snapshots[0].items()
    }
    ### END SOLUTION

# %% test="combine-values" points=2
halves = combine([{"w": torch.tensor([2.0, 4.0])}, {"w": torch.tensor([0.0, 2.0])}], [0.5, 0.5])
assert torch.allclose(halves["w"], torch.tensor([1.0, 3.0])) and halves["w"].dtype == torch.float32
### BEGIN HIDDEN TESTS
from hidden_checks import ps4
ps4.combine(combine)
### END HIDDEN TESTS

# %% [markdown]
# The whole chain, on a real (small) training of the 2D model. Stored are averages of widths 0.05 and 0.10 every 16 of 128 iterations; for the test, averages of seven widths are tracked directly as well. What to see: between the stored widths
# and a little beyond, the reconstruction is right to a percent or two; it gets worse slowly towards broader profiles, and breaks down quickly towards narrower ones. The error is relative to the distance between the average and the last weights.

# %%
STORED, WANTED, EVERY, STEPS = (0.05, 0.10), (0.01, 0.02, 0.04, 0.07, 0.12, 0.18, 0.25), 16, 128
averages, snapshots = {}, []
for state in train_steps(hidden=16, iterations=STEPS, batch=128, compile=False):
    weights = torch.cat([p.detach().double().flatten() for p in state.model.parameters()])
    for s in STORED + WANTED:
        beta = decay(exponent(s), state.iteration, 1)
        averages[s] = beta * averages.get(s, torch.zeros_like(weights)) + (1 - beta) * weights
    if state.iteration % EVERY == 0:
        snapshots += [(state.iteration, exponent(s), {"all": averages[s].clone()}) for s in STORED]
times, gammas, stored = zip(*snapshots)
for s in WANTED:
    x = coefficients(overlap, times, gammas, STEPS, exponent(s))
    error = (combine(stored, x)["all"] - averages[s]).norm() / (weights - averages[s]).norm()
    print(f"width {s:4}: relative error {float(error):8.2%}, largest coefficient {abs(x).max():6.2f}")

# %%
import matplotlib.pyplot as plt

figure, panel = plt.subplots(figsize=(5, 2.6), constrained_layout=True)
tau = np.linspace(0, STEPS, 400)
density = lambda t, gamma: np.where(tau <= t, (gamma + 1) / t * (np.minimum(tau, t) / t) ** gamma, 0)
for s, colour in ((0.02, "C1"), (0.18, "C0")):
    x = coefficients(overlap, times, gammas, STEPS, exponent(s))
    panel.plot(tau, density(STEPS, exponent(s)), color=colour, label=f"wanted, width {s}")
    together = sum(c * density(t, g) for c, t, g in zip(x, times, gammas))
    panel.plot(tau, together, "--", color=colour, label="reconstructed")
panel.set(xlabel="iteration", ylabel="profile", ylim=(-0.05, 0.2))
panel.legend();

# %% [markdown]
# ## 6 In words
#
# From the table and the plot: (a) Why does the reconstruction break down so much faster below the narrowest stored width than above the broadest? *(2 points)* (b) What would you change in what is stored, to have width 0.02 as well? *(1 point)*

# %% [markdown] written="limits" points=3
# (a) The wanted profile has to be a combination of the stored ones. A broad profile is smooth, and stored profiles of eight end times, each narrower than it, tile the training: their sum follows it everywhere but before the first snapshot (iteration 16), which is what is left as error at width 0.25. A profile narrower than all stored ones is steeper near the
# end of training than any of them: broader curves can only imitate it by differences with large coefficients of both signs, and as each stored curve jumps to 0 at its own end time, the imitation (dashed) has a tooth at iteration 112, the end of the last snapshot but one, and comes too early and too broad.
# (b) Store a narrower average as well (width 0.02 beside or in place of 0.05), or snapshots more often near the end, so that differences of neighbours resolve shorter times.
