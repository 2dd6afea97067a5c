"""Turkish letters: upper and lower case as Turkish writes them, and comparing without case.

*Owns* the two letters that every other language gets wrong: ``i`` is the small form of ``İ``, and
``ı`` of ``I``. *Does not own* which text is Turkish: the caller knows.

>>> "istanbul".upper(), turkish_upper("istanbul"), turkish_lower("IĞDIR")
('ISTANBUL', 'İSTANBUL', 'ığdır')
"""

import unicodedata
from typing import Final

__all__ = ["same_in_turkish", "turkish_lower", "turkish_upper"]

_UPPER: Final = str.maketrans({"i": "İ", "ı": "I"})
_LOWER: Final = str.maketrans({"İ": "i", "I": "ı"})
_HATS: Final = str.maketrans({"â": "a", "î": "i", "û": "u"})


def turkish_upper(text: str) -> str:
    """Return ``text`` in capitals as Turkish writes them, composed (NFC).

    >>> turkish_upper("Iğdır ili, Kadıköy ilçesi")
    'IĞDIR İLİ, KADIKÖY İLÇESİ'
    """
    return unicodedata.normalize("NFC", text).translate(_UPPER).upper()


def turkish_lower(text: str) -> str:
    """Return ``text`` in small letters as Turkish writes them, composed (NFC).

    >>> turkish_lower("İSTANBUL I. ŞUBE")
    'istanbul ı. şube'
    """
    return unicodedata.normalize("NFC", text).translate(_LOWER).lower()


def same_in_turkish(left: str, right: str) -> bool:
    """Tell whether two names are one, whatever their case, spaces and circumflexes.

    >>> same_in_turkish("KADIKÖY", "Kadıköy"), same_in_turkish("Hakkâri", " HAKKARİ ")
    (True, True)
    >>> same_in_turkish("Sinop", "SINOP")
    False
    """
    return _folded(left) == _folded(right)


def _folded(text: str) -> str:
    return " ".join(turkish_lower(text).translate(_HATS).split())
