"""Which settings each image experiment measures. They overlap on purpose: a row is made once, whoever asks for it.

Weights and EMA widths are chosen on the noise seeds SELECT and reported on the noise seeds REPORT, which never overlap. Within a
training seed every setting starts from the same noise, so that rows are paired.
"""

from figures.images.study import Net

SELECT, REPORT = (0,), (10_000, 20_000, 30_000, 40_000)  # first noise seeds of each set of `Study.count` seeds
MAIN = Net()
INTERVAL = (0.2, 3.0)  # of noise levels for guidance limited to an interval; fixed beforehand, not tuned
WEIGHTS = (1.1, 1.25, 1.5, 2.0)  # of guidance, besides 1
LARGE = (*WEIGHTS, 2.5, 3.0)  # where the best might lie at 2
COARSE = (1.5, 2.0)
WIDTHS = (0.05, 0.10, 0.20)
GUIDE = Net("xs", 8)  # smaller and less trained, the paper's kind
SAME_RUN = "T/8, main's own run"
LENGTHS = (32, 16, 8, 4)  # of guides: T divided by these


def arm(kind: str = "none", w: float = 1.0, main: Net = MAIN, guide: Net | None = None, *, interval=None, alpha=None,
        labels: bool = True, corrupt: tuple[str, str] = ("", "")) -> dict:  # fmt: skip
    """A setting as `measure` takes it. Weight 1 is the main model alone, whatever the kind: one row for all of them.

    corrupt: of main and guide, such as "dropout 0.05" or "noise 0.1". alpha: share of autoguidance in a blend, whose ends
    are CFG and autoguidance.
    """
    if kind == "blend" and alpha in (0, 1):
        kind, alpha = ("cfg", "autoguidance")[int(alpha)], None
    if w == 1 or kind == "none":
        kind, w, guide, interval, alpha, corrupt = "none", 1.0, None, None, None, (corrupt[0], "")
    if kind == "cfg":
        guide = None
    nets = dict(main=spec_of(main), guide=spec_of(guide))
    return dict(kind=kind, w=float(w), **nets, interval=interval, alpha=alpha, labels=labels, corrupt=corrupt)


def spec_of(net: Net | None) -> list | None:
    return None if net is None else [net.size, net.part, net.ema, net.shift]


def networks() -> list[dict]:
    """Every network alone: main by EMA width, guides by capacity and training length."""
    alone = [Net(ema=ema) for ema in WIDTHS]
    alone += [Net("guide", part) for part in (16, 8, 4)] + [Net("xs", part) for part in (16, 8, 1)]
    return [arm(main=net) for net in alone]


def lengths() -> dict[str, list[dict]]:
    """Guides of main's capacity by training length, from another seed; that of full length is the main model of the next
    training seed. And, for comparison, an early snapshot of the main model's own run."""
    guides = {f"T/{part}": Net("guide", part) for part in LENGTHS} | {"T": Net(shift=1), SAME_RUN: Net("main", 8)}
    return {n: [arm("autoguidance", w, guide=g) for w in (1.0, *WEIGHTS)] for n, g in guides.items()}


def capacities() -> dict[str, list[dict]]:
    """Guides of half the width by training length."""
    guides = {f"XS, T/{part}": Net("xs", part) for part in (16, 8)} | {"XS, T": Net("xs")}
    weights = {name: LARGE if guide.part == 1 else WEIGHTS for name, guide in guides.items()}
    return {n: [arm("autoguidance", w, guide=g) for w in (1.0, *weights[n])] for n, g in guides.items()}


def widths(weight: float = 1.5) -> list[dict]:
    """EMA width of main by that of the guide."""
    return [arm("autoguidance", weight, Net(ema=m), Net(GUIDE.size, GUIDE.part, g)) for m in WIDTHS for g in WIDTHS]


def methods() -> dict[str, list[dict]]:
    """The three ways of guidance against the weight."""
    return {
        "CFG": [arm("cfg", w) for w in (1.0, *WEIGHTS)],
        "CFG, interval": [arm("cfg", w, interval=INTERVAL) for w in (1.0, *LARGE)],
        "autoguidance": [arm("autoguidance", w, guide=GUIDE) for w in (1.0, *WEIGHTS)],
    }


def unconditional() -> list[dict]:
    """All networks without their labels."""
    return [arm(labels=False), *(arm("autoguidance", w, guide=GUIDE, labels=False) for w in WEIGHTS)]


def blends() -> list[dict]:
    """Total weight by share of autoguidance; the ends are CFG and autoguidance."""
    return [arm("blend", w, guide=GUIDE, alpha=a) for w in COARSE for a in (0, 0.5, 1)]


KINDS = {"dropout": ("dropout 0.05", "dropout 0.1"), "noise": ("noise 0.1", "noise 0.2")}


def corruptions() -> list[dict]:
    """The main model corrupted, guided by itself corrupted twice as much: by the same kind, and by the other."""
    alone = [arm(corrupt=(kind, "")) for kinds in KINDS.values() for kind in kinds]
    pairs = [(kind, guide) for kind in KINDS for guide in KINDS]
    guided = [
        arm("autoguidance", w, guide=MAIN, corrupt=(KINDS[a][0], KINDS[b][1]))
        for a, b in pairs
        for w in (WEIGHTS if a == b else COARSE[:1])
    ]
    return [arm(), *alone, *guided]
