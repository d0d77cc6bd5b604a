"""Tables of `seeds` by population: the parts are whole, and the sign of the gain is that of the shipped models."""

import numpy as np

from figures.engine.result import GALLERY, load_result
from figures.toy import seeds_tables
from toy2d import pretrained


def test_populations_are_those_of_the_shipped_models():
    found = seeds_tables.populations(pretrained.seeds())
    gains = pretrained.gains("main")
    assert sorted(found["gain < 0"] + found["gain > 0"]) == pretrained.seeds()
    assert all(gains[s] < 0 for s in found["gain < 0"]) and all(gains[s] > 0 for s in found["gain > 0"])
    assert min(map(len, found.values())) >= 3


def test_a_part_keeps_the_pairing():
    numbers = load_result("seeds", GALLERY).numbers
    part = seeds_tables.only(numbers, [1, 3, 5])
    assert part["seeds"] == [numbers["seeds"][i] for i in (1, 3, 5)]
    a, b = (np.array(numbers["runs"][arm]["outliers_99"])[[1, 3, 5]] for arm in ("autoguidance 2", "none"))
    assert np.isclose(part["difference"]["autoguidance 2"]["outliers_99"]["mean"], (a - b).mean())
    whole = seeds_tables.only(numbers, range(len(numbers["seeds"])))["difference"]["cfg 4"]["branch_tv"]
    assert all(np.isclose(whole[key], value) for key, value in numbers["difference"]["cfg 4"]["branch_tv"].items())


def test_tables_show_both_populations_and_the_authors_models():
    text = seeds_tables.by_gain(load_result("seeds", GALLERY).numbers)
    assert text.count("| No guidance |") == 2 and "gain > 0: 1, 3, 5" in text
    assert "12.4% (10.6% to 15.4%)" in seeds_tables.authors_beside_ours()  # 10.6, 15.4 and 11.2 %
