"""The shipped checkpoints: they are there, they are what the recipes say, and broken files are named."""

import pytest
import torch

from toy2d import metrics, pretrained
from toy2d.paired import draw_start, paper_arms, run


def test_at_least_three_seeds_are_shipped_and_match_their_recipes():
    seeds = pretrained.seeds()
    assert len(seeds) >= 3 and seeds[:3] == [0, 1, 2]
    for seed in seeds:
        for kind, recipe in pretrained.RECIPES.items():
            stored = pretrained.config(pretrained.path(kind, seed))
            assert stored.items() >= (recipe | {"seed": seed}).items()
            assert pretrained.load(kind, seed).hidden == recipe["hidden"]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_unguided_main_model_is_as_good_as_the_reference(seed):
    """The reference program's three seeds: outliers 0.105, 0.153, 0.112, branch total variation 0.052, 0.052, 0.058."""
    measured = metrics.evaluate(run(pretrained.load("main", seed), draw_start(2**14, seed)))
    assert 0.08 < measured["outliers_99"] < 0.17
    assert measured["branch_tv"] < 0.08
    assert measured["diverged"] < 0.005


def test_early_is_the_main_run_s_past():
    """Same seed, same run: closer to the main model than another seed's main model is."""
    main, early, other = pretrained.load("main", 0), pretrained.load("early", 0), pretrained.load("main", 1)

    def similarity(a, b):
        a, b = (model.layers[4].weight.flatten() for model in (a, b))
        return torch.nn.functional.cosine_similarity(a, b, dim=0)

    assert similarity(main, early) > 0.2 > similarity(main, other).abs()


def test_starting_points_are_paired_and_own():
    torch.testing.assert_close(draw_start(20, 1)[:5], draw_start(5, 1), rtol=0, atol=0)
    assert not torch.equal(draw_start(5, 1), draw_start(5, 2))
    arms = paper_arms(0)
    a, b = run(arms["autoguidance"], draw_start(20)), run(arms["autoguidance"], draw_start(5))
    torch.testing.assert_close(a[:5], b, rtol=1e-3, atol=1e-4)


def test_round_trip(tmp_path):
    model = pretrained.load("guide", 1)
    pretrained.save(tmp_path / "deep" / "copy.safetensors", model, {"note": 1})
    copy = pretrained.load_file(tmp_path / "deep" / "copy.safetensors")
    assert torch.equal(copy.layers[0].weight, model.layers[0].weight) and copy.gain == model.gain
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["copy.safetensors"]


def test_missing_and_corrupted(tmp_path):
    with pytest.raises(ValueError, match="unknown model 'best'"):
        pretrained.load("best")
    with pytest.raises(FileNotFoundError, match="main-99.safetensors.*--seeds 99"):
        pretrained.load("main", 99)
    whole = pretrained.path("main", 0).read_bytes()
    for name, data in (("cut", whole[: len(whole) // 2]), ("empty", b""), ("page", b"<html>not found</html>")):
        file = tmp_path / f"{name}.safetensors"
        file.write_bytes(data)
        with pytest.raises(ValueError, match=f"{name}.safetensors is not a whole"):
            pretrained.load_file(file)


def test_the_sign_of_the_gain_splits_the_training_runs():
    assert {seed for seed, gain in pretrained.gains().items() if gain > 0} == {1, 3, 5}
    assert {seed for seed, gain in pretrained.gains("guide").items() if gain > 0} == {4, 7}
