# %% task="guided" mistake="w - 1 instead of w" loses=["guided-values", "guided-off"]
def guided(main, weak, weight):
    if weight == 1:
        return weak
    return lambda x, sigma: weak(x, sigma) + (weight - 1) * (main(x, sigma) - weak(x, sigma))

# %% task="guided" mistake="calls the guide at w = 1" loses=["guided-off"]
def guided(main, weak, weight):
    def denoise(x, sigma):
        d_weak = weak(x, sigma)
        return d_weak + weight * (main(x, sigma) - d_weak)
    return denoise

# %% task="guided" mistake="main model and guide exchanged, w = 1 handled apart" loses=["guided-values"]
def guided(main, weak, weight):
    return main if weight == 1 else lambda x, sigma: torch.lerp(main(x, sigma), weak(x, sigma), weight)

# %% task="aimed-std" mistake="precision added instead of subtracted" loses=["aimed-std-values"]
def aimed_std(s_main, s_weak, weight, sigma):
    return (weight / (s_main**2 + sigma**2) + (weight - 1) / (s_weak**2 + sigma**2)) ** -0.5

# %% task="aimed-std" mistake="root of a negative number where there is no density" loses=["aimed-std-values"]
def aimed_std(s_main, s_weak, weight, sigma):
    return (weight / (s_main**2 + sigma**2) - (weight - 1) / (s_weak**2 + sigma**2)) ** -0.5

# %% task="largest-weight" mistake="standard deviations instead of variances" loses=["largest-weight-values"]
def largest_weight(s_main, s_weak, sigma):
    return s_main / (s_main - s_weak) if s_weak < s_main else math.inf

# %% task="largest-weight" mistake="forgot the noise" loses=["largest-weight-values"]
def largest_weight(s_main, s_weak, sigma):
    return s_main**2 / (s_main**2 - s_weak**2) if s_weak < s_main else math.inf

# %% task="sampled-std" mistake="takes the aimed density for what is sampled" loses=["sampled-std-values"]
def sampled_std(s_main, s_weak, weight, sigma_max):
    return (weight / s_main**2 - (weight - 1) / s_weak**2) ** -0.5

# %% task="sampled-std" mistake="the limit of infinite sigma_max" loses=["sampled-std-values"]
def sampled_std(s_main, s_weak, weight, sigma_max):
    return s_main * (s_main / s_weak) ** (weight - 1)

# %% task="restoring-weight" mistake="may recommend weights under 1" loses=["restoring-weight-values"]
def restoring_weight(s_true, s_main, s_weak):
    return 1.0 if s_main == s_weak else 1 + math.log(s_true / s_main) / math.log(s_main / s_weak)

# %% task="restoring-weight" mistake="off by one: w - 1 instead of w" loses=["restoring-weight-values"]
def restoring_weight(s_true, s_main, s_weak):
    return 1.0 if s_main == s_weak else max(1.0, math.log(s_true / s_main) / math.log(s_main / s_weak))

# %% task="sweep" mistake="new starting points for every weight" loses=["sweep-values"]
def outlier_rates(main, weak, weights, start):
    return [
        (fractal("A").mahalanobis(arms.run(guide(main, weak, w), arms.draw_start(len(start), seed=i))) > 3).double().mean().item()
        for i, w in enumerate(weights)
    ]

# %% task="sweep" mistake="counts those that are no outliers" loses=["sweep-values"]
def outlier_rates(main, weak, weights, start):
    return [(fractal("A").mahalanobis(arms.run(guide(main, weak, w), start)) < 3).double().mean().item() for w in weights]
