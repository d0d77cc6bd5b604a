"""The image study: the paper's Figures 3 to 8 and Table 1 with error bars, on any of `family.STUDIES`.

`family` trains the networks, `settings` says which settings are compared, `rows` measures each one once (`numbers` says how),
`points` gathers rows over training seeds, `plots` holds what the pictures share. One module a figure: networks, fig3, fig7,
table1, search, blend, corruptions, grids.
`claims` gives the verdicts of the results page.
"""
