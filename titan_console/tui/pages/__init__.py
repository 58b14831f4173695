"""What the screens share: the base pages and the dialogs over them."""
