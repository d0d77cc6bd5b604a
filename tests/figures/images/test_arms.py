"""Arms: equal settings are equal, their denoisers are what they say, corruptions belong to the image."""

import dataclasses

import pytest
import torch

from edm.guidance import guide, truncate, unconditional
from figures.images import dropout, settings
from figures.images.arms import Arm, Harm, arm, as_dict, denoiser, from_dict
from figures.images.nets import Net, ready

GUIDE = Net("xs", 1 / 8)
SEEDS = [200_000, 200_003, 200_004]


def everything(plan) -> list[Arm]:
    named = settings.candidates(plan), settings.lengths(), settings.capacities(), settings.methods()
    arms = [made for group in named for some in group.values() for made in some] + settings.corruptions()
    return arms + [a for some in settings.longer(2, 0.1, (0.2, 3.0), settings.CARRIED).values() for a in some]


def test_equal_settings_are_one_arm():
    assert arm("autoguidance", 1, guide=GUIDE) == arm("cfg", 1) == arm()
    assert arm("blend", 2, guide=GUIDE, alpha=0) == arm("cfg", 2)
    assert arm("blend", 2, guide=GUIDE, alpha=1) == arm("autoguidance", 2, guide=GUIDE)
    assert arm("autoguidance", 2, guide=GUIDE) != arm("autoguidance", 2, guide=dataclasses.replace(GUIDE, ema=0.05))
    assert arm(harm=Harm("noise", 0.1)) != arm()
    with pytest.raises(ValueError, match="needs a guide"):
        arm("autoguidance", 2)
    with pytest.raises(ValueError, match="unknown kind of arm 'magic'"):
        arm("magic", 2)


def test_an_arm_reads_back_from_its_row(tiny):
    for made in everything(tiny):
        assert from_dict(as_dict(made)) == made
    assert as_dict(arm()) == {}  # a field that is added later leaves old rows what they are


def test_denoisers_are_what_the_arms_say(tiny, runs):
    main, weak = (ready("tiny", 0, net, runs, "float32") for net in (Net(), GUIDE))
    x, labels = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([1, 2, 3])
    expected = {
        arm(): main,
        arm("truncation", 1.03): truncate(main, 1.03),
        arm("cfg", 2.0, interval=(0.2, 3.0)): guide(main, unconditional(main), 2.0, (0.2, 3.0)),
        arm("autoguidance", 1.5, guide=GUIDE): guide(main, weak, 1.5),
    }
    for made, wanted in expected.items():
        found = denoiser(tiny, 0, dataclasses.replace(made, arithmetic="float32"), SEEDS, runs)
        for sigma in (0.1, 1.0, 20.0):
            assert torch.equal(found(x, sigma, labels), wanted(x, sigma, labels))


@pytest.mark.parametrize("kind, amount", [("noise", 0.1), ("dropout", 0.3), ("one mask", 0.3), ("eight masks", 0.3)])
def test_a_corrupted_image_does_not_depend_on_its_batch_mates(tiny, runs, kind, amount):
    made = arm(
        "autoguidance",
        1.5,
        guide=Net(),
        harm=Harm(kind, amount),
        guide_harm=Harm(kind, 2 * amount),
        arithmetic="float32",
    )
    x = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))

    def twice(seeds, rows):
        whole = denoiser(tiny, 0, made, seeds, runs)
        first = whole(x[rows], 1.0, torch.tensor(rows))
        return first, whole(x[rows], 0.5, torch.tensor(rows))

    together, alone = twice(SEEDS, [0, 1, 2]), twice(SEEDS[1:2], [1])
    for a, b in zip(together, alone, strict=True):
        assert torch.allclose(a[1:2], b, atol=1e-5)
    plain = denoiser(tiny, 0, dataclasses.replace(made, harm=None, guide_harm=None), SEEDS, runs)
    assert not torch.allclose(together[0], plain(x, 1.0, torch.tensor([0, 1, 2])), atol=1e-3)


def test_masks_stay_or_change_as_their_kind_says(runs):
    net = ready("tiny", 0, Net(), runs, "float32")
    x, labels = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([1, 2, 3])
    assert dropout.drop_out(net, 0.0, "dropout", SEEDS, 1) is net
    stays, changes = (dropout.drop_out(net, 0.5, kind, SEEDS, 1) for kind in ("one mask", "dropout"))
    assert torch.equal(stays(x, 1.0, labels), stays(x, 1.0, labels))
    assert not torch.equal(changes(x, 1.0, labels), changes(x, 1.0, labels))
    other = dropout.drop_out(net, 0.5, "one mask", SEEDS, 2)
    assert torch.equal(stays(x, 1.0, labels), other(x, 1.0, labels))  # main and guide share it
    with pytest.raises(ValueError, match="a kind of dropout"):
        dropout.drop_out(net, 0.5, "some", SEEDS, 1)


def test_what_a_lower_rate_drops_is_among_what_a_higher_one_drops():
    seeds, y = torch.tensor(SEEDS), torch.ones(3, 4, 2, 2)
    low, high = (dropout.Dropped(torch.nn.Identity(), rate, 0, seeds)(y) for rate in (0.2, 0.4))
    assert ((low == 0) <= (high == 0)).all() and (low == 0).sum() < (high == 0).sum()
    assert torch.allclose(low[low > 0], torch.tensor(1 / 0.8))
