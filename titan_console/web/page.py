"""The HTML page around the console. It loads nothing from other hosts."""

# Inline styles: the terminal's own script sets them on each cell.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline';"
    " font-src 'self' data:; img-src 'self' data: blob:; connect-src 'self' {socket};"
    " frame-ancestors 'none';"
    " base-uri 'none'; form-action 'none'"
)

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Titan Console (web view)</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/static/css/xterm.css">
<script src="/static/js/textual.js"></script>
<script src="/focus.js"></script>
<style>
html, body { margin: 0; height: 100%; background: #11151b; color: #c6cfda; }
body { font-family: ui-monospace, "Cascadia Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace; }
.textual-terminal { opacity: 0; }
body.-first-byte .textual-terminal { opacity: 1; }
.word { position: absolute; inset: 0; display: none; align-items: center; justify-content: center; }
.opening { display: flex; }
body.-first-byte .opening { display: none; }
body.-closed .closed { display: flex; background: #11151b; z-index: 20; }
a { color: #7aa2d6; margin-left: 1ch; }
</style>
</head>
<body>
<div class="word opening">Opening the console</div>
<div class="word closed">The session has ended.<a href="/">Open it again</a></div>
<div id="terminal" class="textual-terminal" data-session-websocket-url="{socket}/ws"
 data-font-size="{font_size}"></div>
</body>
</html>
"""

# The terminal takes keys as soon as it is drawn, and whenever the window gets the focus again.
FOCUS = """
const focus = () => document.querySelector(".xterm-helper-textarea")?.focus();
addEventListener("DOMContentLoaded", () => {
  new MutationObserver(focus).observe(document.body, { attributeFilter: ["class"] });
});
addEventListener("focus", focus);
"""
