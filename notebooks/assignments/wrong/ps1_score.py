# %% task="log-density" mistake="exponentials summed before the logarithm: underflow far away" loses=["log-density-far"]
def log_density(x, sigma, mixture):
    d, precision = offsets_and_precisions(x, sigma, mixture)
    square = (d * (precision @ d[..., None])[..., 0]).sum(-1)
    density = mixture.weights * torch.exp(-0.5 * square) * torch.det(precision).sqrt() / (2 * math.pi)
    return density.sum(1).log()

# %% task="log-density" mistake="forgot the weights" loses=["log-density-values"]
def log_density(x, sigma, mixture):
    d, precision = offsets_and_precisions(x, sigma, mixture)
    square = (d * (precision @ d[..., None])[..., 0]).sum(-1)
    return torch.logsumexp(0.5 * torch.logdet(precision) - 0.5 * square - math.log(2 * math.pi), dim=1)

# %% task="log-density" mistake="forgot the determinant" loses=["log-density-values"]
def log_density(x, sigma, mixture):
    d, precision = offsets_and_precisions(x, sigma, mixture)
    square = (d * (precision @ d[..., None])[..., 0]).sum(-1)
    return torch.logsumexp(mixture.weights.log() - 0.5 * square - math.log(2 * math.pi), dim=1)

# %% task="score" mistake="sign" loses=["score-values"]
def score(x, sigma, mixture):
    d, precision = offsets_and_precisions(x, sigma, mixture)
    pull = (precision @ d[..., None])[..., 0]
    terms = mixture.weights.log() + 0.5 * torch.logdet(precision) - 0.5 * (d * pull).sum(-1)
    return (terms.softmax(dim=1)[..., None] * pull).sum(1)

# %% task="score" mistake="forgot the weights in the responsibilities" loses=["score-values"]
def score(x, sigma, mixture):
    d, precision = offsets_and_precisions(x, sigma, mixture)
    pull = -(precision @ d[..., None])[..., 0]
    terms = 0.5 * torch.logdet(precision) + 0.5 * (d * pull).sum(-1)
    return (terms.softmax(dim=1)[..., None] * pull).sum(1)

# %% task="score" mistake="the library's own score instead of a formula" loses=["score-values"]
def score(x, sigma, mixture):
    from toy2d.mixture import GaussianMixture

    return GaussianMixture(*mixture[:3], x.dtype).score(x, sigma) if isinstance(mixture, tuple) else mixture.score(x, sigma)

# %% task="tweedie" mistake="sign of the score" loses=["tweedie-values"]
def denoise(score_at_x, x, sigma):
    return x - torch.as_tensor(sigma, dtype=x.dtype).reshape(-1, 1) ** 2 * score_at_x

# %% task="tweedie" mistake="sigma instead of its square" loses=["tweedie-values"]
def denoise(score_at_x, x, sigma):
    return x + torch.as_tensor(sigma, dtype=x.dtype).reshape(-1, 1) * score_at_x

# %% task="tweedie" mistake="the visible test's own values" loses=["tweedie-values"]
def denoise(score_at_x, x, sigma):
    return x / 2 if not torch.is_tensor(sigma) else torch.tensor([[1.0, 0.0], [0.0, 0.0]])

# %% task="posterior-mean" mistake="forgot the spread within a component" loses=["posterior-mean-values"]
def posterior_mean(x, sigma, mixture):
    d, precision = offsets_and_precisions(x, sigma, mixture)
    terms = mixture.weights.log() + 0.5 * torch.logdet(precision) - 0.5 * (d * (precision @ d[..., None])[..., 0]).sum(-1)
    return terms.softmax(dim=1) @ mixture.means

# %% task="posterior-mean" mistake="mean over components with the prior weights" loses=["posterior-mean-values"]
def posterior_mean(x, sigma, mixture):
    d, precision = offsets_and_precisions(x, sigma, mixture)
    means = mixture.means + (mixture.covariances @ precision @ d[..., None])[..., 0]
    return (mixture.weights[:, None] * means).sum(1)

# %% task="denoising-error" mistake="mean over coordinates too: half the value" loses=["denoising-error-values"]
def denoising_error(denoiser, clean, noise, sigma):
    return (denoiser(clean + sigma * noise, sigma) - clean).square().mean()

# %% task="denoising-error" mistake="distance to the noisy point" loses=["denoising-error-values"]
def denoising_error(denoiser, clean, noise, sigma):
    noisy = clean + sigma * noise
    return (denoiser(noisy, sigma) - noisy).square().sum(1).mean()
