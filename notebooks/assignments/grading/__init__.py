"""How the problem sets are built, handed out, graded and proved; see ../README.md."""
