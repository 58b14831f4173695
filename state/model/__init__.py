"""Records, errors and other values shared by every package. Imports no other package."""
