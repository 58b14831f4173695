"""Text that wants to drive the terminal that shows it."""

import unicodedata

EVIL = (
    "A\x1b]0;PWNTITLE\x07\x1b[31mC\x9b32mD\rF\x08G\x1b]52;c;UFdORUQ=\x07\x1bP$qm\x1b\\"
    "\u202eJ\u200bK\x7fL[/x][@click=app.quit]M[/]\u2028\n"
)
FORBIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")


def hidden(text: str) -> list[str]:
    """The characters in it that a terminal would obey, or not show."""
    return [character for character in text if unicodedata.category(character) in FORBIDDEN]
