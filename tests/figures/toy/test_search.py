"""The search on the stored grid: it must beat the grid on samples, and its claims must follow from the grid's rows."""

from figures.engine.result import load_result
from figures.toy import search


def test_the_search_is_a_replay_of_the_grid():
    numbers = search.compute(fresh=()).numbers
    grid = load_result("guide_design").numbers["grid"]
    assert numbers["candidates"] == len(grid)
    for i, found in enumerate(numbers["searches"]):
        assert found["samples"] * 10 <= numbers["grid_samples"]
        assert len(found["rounds"][0]["scores"]) == len(grid)
        best = min(grid, key=lambda c, i=i: c["first"][i]["2048"])
        assert found["grid_best"] == search.setting(best)
        winner = next(c for c in grid if search.setting(c) == found["found"])
        assert winner["first"][i]["2048"] == found["rounds"][-1]["scores"][0] >= best["first"][i]["2048"]
