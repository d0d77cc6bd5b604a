# %% [markdown]
# # Problem set 5: a paired experiment, and a conclusion that holds
#
# **Time** about 3 hours · **Points** 30: 17 by tests, 13 by a person · **Needs** problem set 3, means and standard errors
#
# *What makes a good bad model?* Autoguidance (arXiv 2406.02507) guides with a model that is both smaller and less trained. The paper reports that most of the gain comes from less training, and little from less capacity alone. You will test that claim in two dimensions, where the truth is known exactly,
# and write down what you found, with its uncertainty, whether it agrees with the paper or not.
#
# The four arms, all with the same main model (64 units a layer, 4096 iterations):
#
# | arm | guide | how the guide is worse |
# |---|---|---|
# | `none` | – | no guidance |
# | `early` | 64 units, 512 iterations | less training only |
# | `small` | 32 units, 4096 iterations | less capacity only |
# | `guide` | 32 units, 512 iterations | both |
#
# | task | you write | points |
# |---|---|---|
# | 1 | your expectation, *before* you look | 3, by a person |
# | 2 | paired sampling | 3 |
# | 3 | difference and standard error from pairs | 3 |
# | 4 | an interval by resampling | 4 |
# | 5 | an interval over training seeds | 3 |
# | 6 | the experiment | 4 |
# | 7 | your figure or table | 3, by a person |
# | 8 | your conclusion | 7, by a person |
#
# Visible tests are the cells with `assert`; grading adds hidden ones with other numbers. Tasks are graded one by one.

# %% given="setup"
import math

import matplotlib.pyplot as plt
import scipy.stats
import torch
from torch import Tensor

from edm.guidance import guide
from toy2d import pretrained
from toy2d import paired
from toy2d.fractal import fractal

WEIGHT = 2.0  # the guidance weight of every guided arm
GUIDES = ("early", "small", "guide")


def is_outlier(samples: Tensor) -> Tensor:
    """1.0 for a sample more than 3 standard deviations from every Gaussian of the truth, else 0.0; [N]."""
    return (fractal("A").mahalanobis(samples) > 3).double()


# %% [markdown]
# ## 1 Your expectation
#
# Before you compute anything: which of the four arms will have the fewest outliers, which the most? Give a reason (problem set 3 has one), and say what result would make you change your mind. About 80 words. *(1 point each: an order, a reason, a result that would refute it. A wrong guess costs nothing.)*

# %% [markdown] written="expectation" points=3
# I expect `guide` and `early` to have the fewest outliers, then `small`, then `none`. A guide helps if it makes the main model's errors, only larger (problem set 3); a model stopped early has the same shape of error as the finished one, smoothed-out details, while a smaller one trained to the end has settled on errors of its own. I would give this up if, over
# several training seeds, `small` had no more outliers than `early`, with an interval of the difference that excludes zero.

# %% [markdown]
# ## 2 Pairs
#
# The randomness of a sample lies in its starting point. Send *the same* starting points through every arm, and the luck of the draw cancels in the differences. `paired.run(denoiser, start)` samples.

# %% task="pairs"
def paired_samples(denoisers: dict, start: Tensor) -> dict[str, Tensor]:
    """Samples of every arm, [N, 2] each, all from the points `start`, [N, 2]. denoisers: arm -> denoiser."""
    ### BEGIN SOLUTION
    return {name: paired.run(denoiser, start) for name, denoiser in denoisers.items()}
    ### END SOLUTION

# %% test="pairs-values" points=3
still = lambda x, sigma, labels=None: x
both = paired_samples({"a": still, "b": still}, torch.ones(4, 2))
assert set(both) == {"a", "b"} and torch.equal(both["a"], both["b"])
### BEGIN HIDDEN TESTS
from hidden_checks import ps5
ps5.paired_samples(paired_samples)
### END HIDDEN TESTS

# %% [markdown]
# ## 3 The difference and its standard error
#
# With measurements $a_k$ and $b_k$ of the same point $k$, look at $d_k = a_k - b_k$. The mean difference is $\bar d$, and its standard error is $\operatorname{sd}(d) / \sqrt n$, with $n - 1$ in the standard deviation. (The error for *un*paired samples would be $\sqrt{\operatorname{var}(a)/n + \operatorname{var}(b)/n}$: how much larger is it in task 6?)

# %% task="difference"
def paired_difference(a: Tensor, b: Tensor) -> tuple[float, float]:
    """Mean of a - b and its standard error, from pairs. a, b: [n]."""
    ### BEGIN SOLUTION
    d = a - b
    return d.mean().item(), (d.std() / math.sqrt(len(d))).item()
    ### END SOLUTION

# %% test="difference-values" points=3
mean, error = paired_difference(torch.tensor([1.0, 5.0, 9.0]), torch.tensor([0.0, 4.0, 8.0]))
assert math.isclose(mean, 1.0) and error == 0.0, "the same shift in every pair leaves no uncertainty"
### BEGIN HIDDEN TESTS
from hidden_checks import ps5
ps5.paired_difference(paired_difference)
### END HIDDEN TESTS

# %% [markdown]
# ## 4 An interval by resampling
#
# The bootstrap: draw $n$ of the $n$ differences *with replacement*, take the mean, repeat; the central `level` share of those means is the interval. For `level = 0.90`, cut 5 % off at each end.

# %% task="bootstrap"
def bootstrap_interval(
    differences: Tensor, level: float, resamples: int, generator: torch.Generator
) -> tuple[float, float]:
    """Percentile interval of the mean. differences: [n]; all randomness comes from `generator`."""
    ### BEGIN SOLUTION
    n = len(differences)
    means = differences[torch.randint(n, (resamples, n), generator=generator)].mean(1)
    low, high = means.quantile((1 - level) / 2), means.quantile((1 + level) / 2)
    return low.item(), high.item()
    ### END SOLUTION

# %% test="bootstrap-values" points=4
coins = torch.tensor([0.0, 1.0]).repeat(50)
low, high = bootstrap_interval(coins, 0.95, 500, torch.Generator().manual_seed(0))
assert 0.3 < low < 0.5 < high < 0.7
### BEGIN HIDDEN TESTS
from hidden_checks import ps5
ps5.bootstrap_interval(bootstrap_interval)
### END HIDDEN TESTS

# %% [markdown]
# ## 5 An interval over training seeds
#
# Resampling points answers: *for this trained pair of networks*, is the difference real? It says nothing about other trainings. For that, train several times and treat the differences $v_1, \dots, v_m$ of the $m$ training seeds as the data. With so few, the normal distribution is too optimistic; use Student's $t$ with $m - 1$ degrees of freedom:
#
# $$ \bar v \pm t_{m-1,\,(1 + \text{level})/2}\ \frac{\operatorname{sd}(v)}{\sqrt m}. $$

# %% task="seeds"
def seed_interval(values: Tensor, level: float) -> tuple[float, float]:
    """Student's interval of the mean over training seeds. values: [m], one difference a seed, m >= 2."""
    ### BEGIN SOLUTION
    m = len(values)
    half = scipy.stats.t.ppf((1 + level) / 2, m - 1) * (values.std() / math.sqrt(m)).item()
    return values.mean().item() - half, values.mean().item() + half
    ### END SOLUTION

# %% test="seeds-values" points=3
low, high = seed_interval(torch.tensor([1.0, 3.0], dtype=torch.float64), 0.5)
right = math.isclose(low, 1.0, rel_tol=1e-6) and math.isclose(high, 3.0, rel_tol=1e-6)
assert right, "t with one degree of freedom, level one half: factor 1"
### BEGIN HIDDEN TESTS
from hidden_checks import ps5
ps5.seed_interval(seed_interval)
### END HIDDEN TESTS

# %% [markdown]
# ## 6 The experiment
#
# For one training seed: load the main model and the three guides with `pretrained.load(kind, seed)`, build the guided denoisers with `guide(main, weak, WEIGHT)`, run all four arms from the same points, and measure every sample with `is_outlier`.

# %% task="experiment"
def experiment(seed: int, start: Tensor) -> dict[str, Tensor]:
    """For each arm ("none", "early", "small", "guide") which samples are outliers: [N] of 0.0 and 1.0.

    All arms start from the points `start`.
    """
    ### BEGIN SOLUTION
    main = pretrained.load("main", seed)
    samples = {"none": paired.run(main, start)}
    for kind in GUIDES:
        samples[kind] = paired.run(guide(main, pretrained.load(kind, seed), WEIGHT), start)
    return {name: is_outlier(x) for name, x in samples.items()}
    ### END SOLUTION

# %% test="experiment-values" points=4
outliers = experiment(0, paired.draw_start(64))
assert set(outliers) == {"none", "early", "small", "guide"} and outliers["none"].shape == (64,)
### BEGIN HIDDEN TESTS
from hidden_checks import ps5
ps5.experiment(experiment)
### END HIDDEN TESTS

# %% [markdown]
# Run it for the first five training seeds (or as many as are shipped). Every difference is between a guided arm and `none`: negative is better.

# %%
start = paired.draw_start(512, seed=1)
results = {seed: experiment(seed, start) for seed in pretrained.seeds()[:5]}
print("outliers     ", "  ".join(f"{arm:>7}" for arm in ("none", *GUIDES)))
for seed, outliers in results.items():
    print(f"seed {seed}       ", "  ".join(f"{outliers[arm].mean():7.1%}" for arm in ("none", *GUIDES)))

# %% [markdown]
# ## 7 Your figure or table
#
# Show, for each guide, the differences from `none` at every training seed with an interval for each, and the mean over seeds with *its* interval; also `small` against `early`, which is the question. Say in a caption what the intervals are. *(1 point each: all comparisons asked for; both kinds of interval, named; readable without the text.)*

# %% written="figure" points=3
rows = {f"{arm} - none": (arm, "none") for arm in GUIDES} | {"small - early": ("small", "early")}
figure, panel = plt.subplots(figsize=(7, 3), constrained_layout=True)
generator = torch.Generator().manual_seed(0)
for place, (name, (a, b)) in enumerate(rows.items()):
    differences = [outliers[a] - outliers[b] for outliers in results.values()]
    for shift, d in enumerate(differences):
        y = place + 0.08 * (shift + 1)
        panel.plot(bootstrap_interval(d, 0.95, 1000, generator), [y, y], color="C0", linewidth=1)
        panel.plot(d.mean(), y, "C0.")
    means = torch.stack([d.mean() for d in differences])
    low, high = seed_interval(means, 0.95)
    panel.plot([low, high], [place, place], color="C1", linewidth=3)
    print(f"{name:14} {means.mean():+.3f}, 95 % over {len(means)} training seeds: {low:+.3f} to {high:+.3f}")
panel.axvline(0, color="grey", linewidth=0.8)
panel.set(yticks=range(len(rows)), yticklabels=rows, xlabel="difference in the share of outliers")
panel.set_title("thin: each seed, 95 % bootstrap over points; thick: 95 % Student over seeds", fontsize=9);

# %% [markdown]
# ## 8 Your conclusion
#
# About 200 words. What did you find, for each guide and for `small` against `early`? How sure are you, and which of the two kinds of interval says so? How much did pairing gain (task 3)? Does your result agree with the paper's claim, and what does your experiment *not* show?
#
# | points | for |
# |---|---|
# | 2 | every comparison with a number, its interval and its sign, matching your figure |
# | 2 | the two sources of uncertainty kept apart, and the right one used for the claim about guides in general |
# | 1 | the gain from pairing, in numbers |
# | 1 | the paper's claim: supported, contradicted or undecided, as your intervals say |
# | 1 | at least two limits of the experiment that matter (weight, measure, few seeds, coverage not measured, two dimensions, ...) |

# %% [markdown] written="conclusion" points=7
# (A model answer; numbers are those of three training seeds.) At w = 2 the early guide removed outliers at every seed: −4.1 percentage points on average, from about 10 %. The guide with both defects removed 2.5, the small, fully trained one 0.7, and at one seed it added some. Within a seed, bootstrap intervals of 512 points reach about ±2.5 points to each side, and exclude
# zero for `early` everywhere. But between seeds the differences scatter as much, and the question is about guides in general, not about three trained pairs: so Student's interval over seeds decides. It is −8.3 to +0.1 for `early`, −5.9 to +0.9 for `guide`, −5.2 to +3.8 for `small`, and −5.3 to +12.1 for `small` against `early`: all include zero. One seed where `small − early` is clear (+7.4) does not change that.
# Pairing: the standard error of early against none is 1.3 points where unpaired samples would have 1.7, worth nearly twice as many points. The paper's claim that less training matters more than less capacity is therefore *undecided* here: the sign agrees at all three seeds, the interval does not exclude zero. Not shown: other weights (each guide has its own best one),
# coverage (fewer outliers may mean lost branches), other measures, more seeds, and anything about images.
