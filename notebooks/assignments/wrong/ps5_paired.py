# %% task="pairs" mistake="new starting points for every arm: not paired" loses=["pairs-values"]
def paired_samples(denoisers, start):
    return {name: arms.run(denoiser, arms.draw_start(len(start), seed=i).to(start.dtype)) for i, (name, denoiser) in enumerate(denoisers.items())}

# %% task="pairs" mistake="each arm starts where the one before ended" loses=["pairs-values"]
def paired_samples(denoisers, start):
    samples = {}
    for name, denoiser in denoisers.items():
        start = samples[name] = arms.run(denoiser, start)
    return samples

# %% task="difference" mistake="standard error for samples that are not paired" loses=["difference-values"]
def paired_difference(a, b):
    return (a.mean() - b.mean()).item(), math.sqrt(a.var() / len(a) + b.var() / len(b))

# %% task="difference" mistake="n instead of n - 1" loses=["difference-values"]
def paired_difference(a, b):
    d = a - b
    return d.mean().item(), (d.std(correction=0) / math.sqrt(len(d))).item()

# %% task="difference" mistake="sign: b - a" loses=["difference-values"]
def paired_difference(a, b):
    d = b - a
    return d.mean().item(), (d.std() / math.sqrt(len(d))).item()

# %% task="bootstrap" mistake="without replacement" loses=["bootstrap-values"]
def bootstrap_interval(differences, level, resamples, generator):
    means = torch.stack([differences[torch.randperm(len(differences), generator=generator)].mean() for _ in range(resamples)])
    return means.quantile((1 - level) / 2).item(), means.quantile((1 + level) / 2).item()

# %% task="bootstrap" mistake="whole error probability cut off at each end" loses=["bootstrap-values"]
def bootstrap_interval(differences, level, resamples, generator):
    n = len(differences)
    means = differences[torch.randint(n, (resamples, n), generator=generator)].mean(1)
    return means.quantile(1 - level).item(), means.quantile(level).item()

# %% task="bootstrap" mistake="quantiles of the data instead of the mean" loses=["bootstrap-values"]
def bootstrap_interval(differences, level, resamples, generator):
    return differences.quantile((1 - level) / 2).item(), differences.quantile((1 + level) / 2).item()

# %% task="seeds" mistake="normal distribution instead of Student's" loses=["seeds-values"]
def seed_interval(values, level):
    half = scipy.stats.norm.ppf((1 + level) / 2) * (values.std() / math.sqrt(len(values))).item()
    return values.mean().item() - half, values.mean().item() + half

# %% task="seeds" mistake="standard deviation instead of standard error" loses=["seeds-values"]
def seed_interval(values, level):
    half = scipy.stats.t.ppf((1 + level) / 2, len(values) - 1) * values.std().item()
    return values.mean().item() - half, values.mean().item() + half

# %% task="experiment" mistake="guides of another training seed" loses=["experiment-values"]
def experiment(seed, start):
    main = pretrained.load("main", seed)
    other = next(s for s in pretrained.seeds() if s != seed)
    samples = {"none": arms.run(main, start)}
    for kind in GUIDES:
        samples[kind] = arms.run(guide(main, pretrained.load(kind, other), WEIGHT), start)
    return {name: is_outlier(x) for name, x in samples.items()}

# %% task="experiment" mistake="w - 1 instead of w: all arms without guidance" loses=["experiment-values"]
def experiment(seed, start):
    main = pretrained.load("main", seed)
    samples = {"none": arms.run(main, start)}
    for kind in GUIDES:
        samples[kind] = arms.run(guide(main, pretrained.load(kind, seed), WEIGHT - 1), start)
    return {name: is_outlier(x) for name, x in samples.items()}
