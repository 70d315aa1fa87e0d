"""Text for people in Chinese and English. The English text is the key; ``locale/`` holds the other language."""

import io
from collections.abc import Callable
from functools import cache
from importlib.resources import files

LANGUAGES = ("zh_CN", "en")

Translate = Callable[..., str]


@cache
def translator(language: str) -> Translate:
    """Return ``t(text, **values)``, which translates ``text`` and fills in ``%(name)s`` values.

    The catalogue is compiled in memory: a compiled file beside its source would only go stale.
    Raises : ValueError, when the language is not one of ``LANGUAGES``
    """
    if language not in LANGUAGES:
        raise ValueError(f"language is one of {', '.join(LANGUAGES)}, not {language!r}")
    gettext: Callable[[str], str] = str
    if language != "en":
        # Babel is slow to import and a program that speaks English never needs it.
        from babel.messages.mofile import write_mo
        from babel.messages.pofile import read_po
        from babel.support import Translations

        source = files("config").joinpath("locale", language, "LC_MESSAGES", "messages.po")
        compiled = io.BytesIO()
        write_mo(compiled, read_po(io.BytesIO(source.read_bytes()), locale=language))
        compiled.seek(0)
        gettext = Translations(compiled).gettext

    def translate(text: str, **values: object) -> str:
        translated = gettext(text)
        return translated % values if values else translated

    return translate
