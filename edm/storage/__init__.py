"""Files: atomic writes, resumable rows, folders of images, PNG grids, and pickles read without executing them."""
