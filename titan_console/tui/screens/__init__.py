"""The screens, one module each, with the rows of the larger ones beside them."""
