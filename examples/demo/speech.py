"""What the demo itself says, in English and Turkish.

The library's own sentences come from its catalogs; these are the demo's. English stands in the
story and is the key here.
"""

from typing import ClassVar, Final, final

import attrs

from monochat_billing.subscriptions import SubscriptionState
from monochat_billing.wording import Words

__all__ = ["Speech"]

_TURKISH: Final = {
    "account": "hesap",
    "ahead": "ileride",
    "buyer": "alıcı",
    "callback": "bildirim",
    "changed": "değişti",
    "charged": "ödendi",
    "debited": "düşülen",
    "may use": "kullanım",
    "messages": "mesajlar",
    "page": "sayfa",
    "plan": "plan",
    "planned": "planlandı",
    "preview": "önizleme",
    "read": "okunan",
    "refused": "reddedildi",
    "run_due": "run_due",
    "verify": "denetim",
    "Open an account in Europe/Istanbul with a TRY and a USD balance": (
        "Europe/Istanbul saatiyle, TRY ve USD bakiyeli bir hesap açılıyor"
    ),
    "Top up 12,000 TRY and 200 USD on the sandbox's hosted payment page": (
        "Bakiye Yükle: deneme ödeme sayfasında 12.000 TRY ve 200 USD"
    ),
    "Subscribe to Growth and to Priority support monthly, paid from TRY, KDV in it": (
        "Aylık Growth planı ve Öncelikli destek paketi, TRY bakiyesinden, KDV dahil"
    ),
    "Rate and debit {count} WhatsApp messages from status webhooks": (
        "Durum bildirimlerinden {count} WhatsApp mesajı ücretlendiriliyor"
    ),
    "An upgrade: previewed, refused for lack of money, paid after a top-up": (
        "Yükseltme: önizlendi, bakiye yetmedi, bakiye yüklenince yapıldı"
    ),
    "A chain of phases, and a forecast that shows where the money ends": (
        "Planla: aşamalı geçiş, ve bakiyenin nerede biteceğini gösteren öngörü"
    ),
    "Time passes: renewals, the phases, then past due and suspended": (
        "Zaman geçiyor: yenilemeler, aşamalar, sonra gecikme ve askı"
    ),
    "A top-up revives what was suspended: a new period, nothing for dead time": (
        "Yüklenen bakiye askıdakini sürdürür: yeni dönem, boşta geçen süre ücretsiz"
    ),
    "What comes, how long it lasts, the Billing page, and the proof of the books": (
        "Yaklaşanlar, ne kadar yeteceği, Ücretlendirme sayfası ve kayıtların denetimi"
    ),
    "{where}, pay page for {amount}": "{where}, {amount} ödeme sayfası",
    "{outcome}, the demo pays again: {again}": "{outcome}, demo yeniden ödüyor: {again}",
    "{outcome}, reloads and pays again: {again}": "{outcome}, yenileyip tekrar ödüyor: {again}",
    "{first}; repeated: {again}": "{first}; yinelenince: {again}",
    "nothing to do": "yapılacak bir şey yok",
    "credited once (entry {number}: +{amount})": "bir kez yüklendi (hareket {number}: +{amount})",
    "{product}: {price}, of which {tax} {amount} at {percent}%": (
        "{product}: {price}, içinde %{percent} {tax} {amount}"
    ),
    "{webhooks} webhooks, {statuses} statuses, {repeated} repeated": (
        "{webhooks} bildirim, {statuses} durum, {repeated} yineleme"
    ),
    "{arrived} arrived, {failed} failed, {sent} only sent, {aside} set aside": (
        "{arrived} ulaştı, {failed} ulaşmadı, {sent} yalnız gönderildi, {aside} incelemeye ayrıldı"
    ),
    "{charged}; free {free}; recorded before {repeated}": (
        "{charged}; ücretsiz {free}; önceden kaydedilmiş {repeated}"
    ),
    "{amount}, which equals the file's own sum": "{amount}, dosyanın kendi toplamına eşit",
    "from {day}: {product}": "{day} gününden itibaren: {product}",
    "all that this step forecasts has come to pass": "bu adımda öngörülenlerin hepsi gerçekleşti",
    "at {when}: entries {entries}, events {events}; {product} is {state}": (
        "{when}: hareket {entries}, olay {events}; {product} {state}"
    ),
    "paid": "ödedi",
    "declined": "vazgeçti",
    "revived": "yeniden etkin",
    "monochat-billing demo on {database}": "monochat-billing demosu: {database}",
    "monochat-billing demo on {database} (it exists)": "monochat-billing demosu: {database} (var)",
    "Nothing has changed: every step had been done before, and once is enough.": (
        "Hiçbir şey değişmedi: her adım önceden yapılmıştı, bir kez yeter."
    ),
    "Done. Run it again: nothing will change.": "Bitti. Yeniden çalıştırın: hiçbir şey değişmez.",
    "in force": "yürürlükte",
}


@final
@attrs.frozen
class Speech:
    """Speak one language; called with English and values for its places, it gives the sentence."""

    LABEL: ClassVar[int] = 11
    """How wide a label is."""

    locale: str = "en"

    @property
    def words(self) -> Words:
        """Give what writes amounts and days."""
        return Words(self.locale)

    def __call__(self, text: str, **values: object) -> str:
        """Say a sentence.

        Raises:
            KeyError: it has no Turkish.
        """
        said = text if self.locale == "en" else _TURKISH[text]
        return said.format_map(values) if values else said

    def state(self, state: SubscriptionState) -> str:
        """Name a subscription's state as the library does."""
        return self.words.say(state.value.lower().replace("_", " "))
