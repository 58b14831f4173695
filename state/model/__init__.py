"""Records, errors and other values shared by every package. Imports nothing of ours."""
