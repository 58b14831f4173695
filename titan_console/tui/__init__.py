"""The terminal console: app, keymap, screens, widgets, actions."""
