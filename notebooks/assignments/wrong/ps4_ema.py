# %% task="width" mistake="variance instead of standard deviation" loses=["width-values"]
def width(gamma):
    return (gamma + 1) / ((gamma + 2) ** 2 * (gamma + 3))

# %% task="width" mistake="mean subtracted without its square" loses=["width-values"]
def width(gamma):
    return math.sqrt(abs((gamma + 1) / (gamma + 3) - (gamma + 1) / (gamma + 2)))

# %% task="exponent" mistake="the first root, whichever it is" loses=["exponent-values"]
def exponent(relative_width):
    s = relative_width**-2
    return float(np.roots([1, 7, 16 - s, 12 - s]).real[0])

# %% task="exponent" mistake="the visible test's value" loses=["exponent-values"]
def exponent(relative_width):
    return 6.94

# %% task="decay" mistake="gamma instead of gamma + 1" loses=["decay-values"]
def decay(gamma, t, delta):
    return (1 - delta / t) ** gamma

# %% task="decay" mistake="steps of length 1 whatever delta says" loses=["decay-values"]
def decay(gamma, t, delta):
    return (1 - 1 / t) ** (gamma + 1)

# %% task="track" mistake="old and new exchanged" loses=["track-values"]
def running_average(values, gamma, decay_of):
    average = torch.zeros_like(values[0])
    for step, value in enumerate(values, 1):
        beta = decay_of(gamma, step, 1)
        average = (1 - beta) * average + beta * value
    return average

# %% task="track" mistake="time of the step's start instead of its end" loses=["track-values"]
def running_average(values, gamma, decay_of):
    average = values[0]
    for step, value in enumerate(values[1:], 1):
        beta = decay_of(gamma, step, 1)
        average = beta * average + (1 - beta) * value
    return average

# %% task="overlap" mistake="integrates to the later time" loses=["overlap-values"]
def overlap(t_a, gamma_a, t_b, gamma_b):
    last = max(t_a, t_b)
    scale = (gamma_a + 1) * (gamma_b + 1) / (gamma_a + gamma_b + 1)
    return scale * (last / t_a) ** gamma_a * (last / t_b) ** gamma_b * last / (t_a * t_b)

# %% task="overlap" mistake="one order of the times only" loses=["overlap-values"]
def overlap(t_a, gamma_a, t_b, gamma_b):
    return (gamma_a + 1) * (gamma_b + 1) / (gamma_a + gamma_b + 1) * (t_a / t_b) ** gamma_b / t_b

# %% task="coefficients" mistake="not normalised" loses=["coefficients-values"]
def coefficients(overlap_of, times, gammas, t, gamma):
    stored = list(zip(times, gammas))
    matrix = np.array([[overlap_of(*a, *b) for b in stored] for a in stored])
    return np.linalg.solve(matrix, np.array([overlap_of(*a, t, gamma) for a in stored]))

# %% task="coefficients" mistake="divided by the norm instead of the sum" loses=["coefficients-values"]
def coefficients(overlap_of, times, gammas, t, gamma):
    stored = list(zip(times, gammas))
    matrix = np.array([[overlap_of(*a, *b) for b in stored] for a in stored])
    x = np.linalg.solve(matrix, np.array([overlap_of(*a, t, gamma) for a in stored]))
    return x / np.linalg.norm(x)

# %% task="coefficients" mistake="overlaps with the target as coefficients, nothing solved" loses=["coefficients-values"]
def coefficients(overlap_of, times, gammas, t, gamma):
    x = np.array([overlap_of(*a, t, gamma) for a in zip(times, gammas)])
    return x / x.sum()

# %% task="combine" mistake="plain mean: coefficients ignored" loses=["combine-values"]
def combine(snapshots, x):
    return {name: sum(s[name] for s in snapshots) / len(snapshots) for name in snapshots[0]}

# %% task="combine" mistake="result left in double precision" loses=["combine-values"]
def combine(snapshots, x):
    return {name: sum(c * s[name].double() for c, s in zip(x, snapshots)) for name in snapshots[0]}
