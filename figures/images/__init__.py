"""The image study: the paper's Figures 3 to 8 and Table 1 with error bars, on any of `study.STUDIES`.

What is sampled: `study` trains the networks, `nets` takes averages out of the runs and keeps them, `arms` says what an arm is (with
`dropout` for its corruptions), `settings` has the grids. What is measured: `measure` makes each row once, `points` gathers rows
over training runs, `plots` holds what the pictures share. One module a figure: convergence, networks, fig3, fig7, table1, length,
search, fig5_6_blend, corruptions, fig4_8_grids. `claims` gives the verdicts of the results page.
"""
