# %% task="levels" mistake="forgot the final 0" loses=["levels-values"]
def noise_levels(num_steps, sigma_min=0.002, sigma_max=5.0, rho=7.0):
    t = torch.linspace(0, 1, num_steps, dtype=torch.float64)
    return (sigma_max ** (1 / rho) + t * (sigma_min ** (1 / rho) - sigma_max ** (1 / rho))) ** rho

# %% task="levels" mistake="0 in place of sigma_min" loses=["levels-values"]
def noise_levels(num_steps, sigma_min=0.002, sigma_max=5.0, rho=7.0):
    t = torch.linspace(0, 1, num_steps + 1, dtype=torch.float64)
    sigmas = (sigma_max ** (1 / rho) + t * (sigma_min ** (1 / rho) - sigma_max ** (1 / rho))) ** rho
    sigmas[-1] = 0
    return sigmas

# %% task="levels" mistake="evenly spaced: rho ignored" loses=["levels-values"]
def noise_levels(num_steps, sigma_min=0.002, sigma_max=5.0, rho=7.0):
    return torch.cat([torch.linspace(sigma_max, sigma_min, num_steps, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)])

# %% task="euler" mistake="sign of the slope" loses=["euler-values"]
def euler(denoiser, x, sigmas):
    for sigma, sigma_next in zip(sigmas[:-1], sigmas[1:]):
        x = x + (sigma_next - sigma) * (denoiser(x, sigma) - x) / sigma
    return x

# %% task="euler" mistake="jumps to the denoised point and adds no noise back" loses=["euler-values"]
def euler(denoiser, x, sigmas):
    for sigma in sigmas[:-1]:
        x = denoiser(x, sigma)
    return x

# %% task="heun" mistake="Euler instead of Heun" loses=["heun-values", "heun-cost"]
def heun(denoiser, x, sigmas):
    for sigma, sigma_next in zip(sigmas[:-1], sigmas[1:]):
        x = x + (sigma_next - sigma) * (x - denoiser(x, sigma)) / sigma
    return x

# %% task="heun" mistake="second slope at the old noise level" loses=["heun-values"]
def heun(denoiser, x, sigmas):
    for sigma, sigma_next in zip(sigmas[:-1], sigmas[1:]):
        slope = (x - denoiser(x, sigma)) / sigma
        x_next = x + (sigma_next - sigma) * slope
        if sigma_next > 0:
            slope_next = (x_next - denoiser(x_next, sigma)) / sigma
            x_next = x + (sigma_next - sigma) * (slope + slope_next) / 2
        x = x_next
    return x

# %% task="heun" mistake="evaluates the first slope twice" loses=["heun-cost"]
def heun(denoiser, x, sigmas):
    for sigma, sigma_next in zip(sigmas[:-1], sigmas[1:]):
        x_next = x + (sigma_next - sigma) * (x - denoiser(x, sigma)) / sigma
        if sigma_next > 0:
            slopes = (x - denoiser(x, sigma)) / sigma + (x_next - denoiser(x_next, sigma_next)) / sigma_next
            x_next = x + (sigma_next - sigma) * slopes / 2
        x = x_next
    return x

# %% task="errors" mistake="mean over coordinates instead of squared distance" loses=["errors-values"]
def sampling_errors(sampler, denoiser, x, schedules, reference):
    return [(sampler(denoiser, x, sigmas) - reference).square().mean().sqrt().item() for sigmas in schedules]

# %% task="errors" mistake="mean distance instead of root mean square" loses=["errors-values"]
def sampling_errors(sampler, denoiser, x, schedules, reference):
    return [(sampler(denoiser, x, sigmas) - reference).norm(dim=1).mean().item() for sigmas in schedules]

# %% task="order" mistake="sign" loses=["order-values"]
def measured_order(step_counts, errors):
    n, e = torch.tensor(step_counts).double().log(), torch.tensor(errors).double().log()
    return (((n - n.mean()) * e).sum() / (n - n.mean()).square().sum()).item()

# %% task="order" mistake="only the two ends of the curve" loses=["order-values"]
def measured_order(step_counts, errors):
    return math.log(errors[0] / errors[-1]) / math.log(step_counts[-1] / step_counts[0])
