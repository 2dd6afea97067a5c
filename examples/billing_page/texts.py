"""The page's own words, in English and Turkish; the library brings the words for its own values.

Owns headings, labels, buttons, and what is said after something was done.
Does not own the names of products (the catalog's), nor sentences about amounts, lines, entries and
refusals: those the library renders, in the same languages.
"""

from collections.abc import Mapping
from typing import Final

from monochat_billing.translations import LOCALES, check_locale

__all__ = ["TEXTS", "best_language", "text"]

TEXTS: Final[Mapping[str, tuple[str, str]]] = {
    # frame
    "billing": ("Billing", "Ücretlendirme"),
    "skip": ("Skip to the content", "İçeriğe geç"),
    "sections": ("Sections", "Bölümler"),
    "overview": ("Overview", "Genel bakış"),
    "plans": ("Plan and support", "Plan ve destek"),
    "packs": ("Extra packages", "Ekstra paketler"),
    "statement": ("Statement", "Hesap hareketleri"),
    "invoices": ("Invoices", "Faturalar"),
    "language": ("Language", "Dil"),
    "sample_note": (
        "Sample catalog: all prices are invented. Payments go to a sandbox, no real money moves.",
        "Örnek katalog: fiyatların hepsi uydurmadır. Ödemeler denemedir, gerçek para çekilmez.",
    ),
    "back": ("Back to the overview", "Genel bakışa dön"),
    # overview
    "warnings": ("Warnings", "Uyarılar"),
    "balances": ("Balances", "Bakiyeler"),
    "available": ("Available", "Kullanılabilir"),
    "monochat.message": ("Messages included and bought", "Dahil olan ve alınan mesajlar"),
    "unit monochat.message": ("messages", "mesaj"),
    "units": ("{count} messages", "{count} mesaj"),
    "set_aside": ("of it {amount} set aside", "{amount} ayrılmış"),
    "top_up": ("Top up balance", "Bakiye Yükle"),
    "your_plan": ("Subscriptions", "Abonelikler"),
    "change": ("Change", "Değiştir"),
    "nothing_held": (
        "No plan yet. Choose one to begin.",
        "Henüz plan yok. Başlamak için birini seçin.",
    ),
    "credits": ("Credit with terms and units", "Koşullu kredi ve birimler"),
    "scheduled": ("Scheduled changes", "Planlanmış değişiklikler"),
    "nothing_scheduled": ("Nothing is scheduled.", "Planlanmış bir değişiklik yok."),
    "revoke": ("Revoke", "Geri al"),
    "revoke_what": ("Revoke: {what}", "Geri al: {what}"),
    "upcoming": ("What comes next", "Sırada ne var"),
    "nothing_upcoming": ("Nothing in the next 31 days.", "Önümüzdeki 31 günde bir şey yok."),
    "runway": ("How long the balance lasts", "Bakiye ne kadar yeter"),
    "chart_days": ("Balance ahead, {unit}", "Önümüzdeki bakiye, {unit}"),
    "last_entries": ("Last entries", "Son hareketler"),
    "all_entries": ("Whole statement", "Tüm hareketler"),
    "nothing_yet": ("Nothing yet.", "Henüz bir şey yok."),
    # plans
    "monthly": ("Monthly", "Aylık"),
    "yearly": ("Yearly", "Yıllık"),
    "interval": ("Billing interval", "Ödeme aralığı"),
    "plan_family": ("Plan", "Plan"),
    "support_family": ("Support package", "Destek paketi"),
    "a_month": ("a month", "aylık"),
    "a_year": ("a year", "yıllık"),
    "free": ("Free", "Ücretsiz"),
    "current": ("Current", "Mevcut"),
    "choose": ("Choose", "Seç"),
    "choose_what": ("Choose {what}", "{what} seç"),
    "unlimited": ("unlimited", "sınırsız"),
    "included_per_month": ("{count} messages a month included", "Ayda {count} mesaj dahil"),
    "users": ("Users: {most}", "Kullanıcı: {most}"),
    "channels": ("Channels: {most}", "Kanal: {most}"),
    "contacts": ("Contacts: {most}", "Kişi: {most}"),
    "broadcasts": ("Broadcasts", "Toplu mesaj"),
    "automations": ("Automations", "Otomasyonlar"),
    "api": ("API", "API"),
    "single-sign-on": ("Single sign-on", "Tek oturum açma"),
    "response-time": ("Answer {most}", "Yanıt: {most}"),
    "hours": ("Hours: {most}", "Saatler: {most}"),
    "support-channels": ("Channels: {most}", "Kanallar: {most}"),
    "guidance": ("Guidance: {most}", "Rehberlik: {most}"),
    # preview
    "preview": ("What this change costs", "Bu değişikliğin ücreti"),
    "preview_start": ("What this costs", "Bunun ücreti"),
    "from_to": ("{old} → {new}", "{old} → {new}"),
    "lines": ("How it comes about", "Nasıl hesaplandı"),
    "no_lines": ("There is nothing to prorate.", "Orantılanacak bir şey yok."),
    "sums": ("Sums", "Toplamlar"),
    "unused_back": ("Given back for unused time", "Kullanılmayan süre için iade"),
    "charged": ("Charged", "Ücret"),
    "tax_in": ("of it {name} {percent}%", "içinde %{percent} {name}"),
    "due_now": ("Due now", "Şimdi ödenecek"),
    "due_then": ("Due then", "O gün ödenecek"),
    "comes_back": ("Comes back now", "Şimdi iade edilecek"),
    "balance_now": ("Available balance", "Kullanılabilir bakiye"),
    "short": ("Short", "Eksik"),
    "next_renewal": ("Next renewal, {day}", "Sonraki yenileme, {day}"),
    "whole_quote": ("The whole calculation", "Hesabın tamamı"),
    "change_now": ("Change now", "Şimdi değiştir"),
    "do_change": ("Change plan", "Planı Değiştir"),
    "do_start": ("Start", "Başlat"),
    "change_later": ("Schedule it", "Sonrası için planla"),
    "do_schedule": ("Schedule", "Planla"),
    "when": ("When", "Ne zaman"),
    "at_period_end": ("At the end of the period, {day}", "Dönem sonunda, {day}"),
    "on_day": ("On a day of your choice", "Seçtiğiniz günde"),
    "day": ("Day", "Gün"),
    "later_note": (
        "It is priced when it is due; until then you can revoke it.",
        "Ücreti günü geldiğinde hesaplanır; o güne kadar geri alabilirsiniz.",
    ),
    "valid_until": (
        "This price holds until {at}.",
        "Bu fiyat {at} tarihine kadar geçerlidir.",
    ),
    "same": (
        "This is what you have. Nothing would change.",
        "Bu zaten sizde. Hiçbir şey değişmez.",
    ),
    "top_up_short": ("Top up {amount}", "{amount} yükle"),
    "not_now": (
        "This cannot be done at once, only later.",
        "Bu hemen yapılamaz, ancak sonrası için planlanabilir.",
    ),
    # one subscription
    "manage": ("Manage", "Yönet"),
    "manage_what": ("Manage {what}", "{what}: yönet"),
    "paid_until": ("Paid until {day}", "{day} tarihine kadar ödendi"),
    "pause": ("Pause", "Duraklat"),
    "pause_what": (
        "{name} works to the end of what is paid. It does not renew; nothing comes back.",
        "{name} ödenen sürenin sonuna kadar çalışır. Yenilenmez, iade de yapılmaz.",
    ),
    "do_pause": ("Pause", "Duraklat"),
    "resume": ("Resume", "Devam ettir"),
    "resume_free": (
        "The paid time is not over: resuming now costs nothing, and it renews on its day.",
        "Ödenen süre bitmedi: şimdi devam ettirmek ücretsizdir, günü gelince yenilenir.",
    ),
    "resume_costs": (
        "A new period begins and is charged: {amount}.",
        "Yeni bir dönem başlar ve ücreti alınır: {amount}.",
    ),
    "do_resume": ("Resume", "Devam ettir"),
    "at_once": ("Now", "Şimdi"),
    "cancel": ("End the subscription", "Aboneliği sonlandır"),
    "canceled_for": (
        "Its end is planned for {day}. You can revoke that under scheduled changes.",
        "{day} için sonlandırma planlandı. Planlanmış değişikliklerden geri alabilirsiniz.",
    ),
    "cancel_end": (
        "At the end of the period, {day}: use it until then, nothing comes back",
        "Dönem sonunda, {day}: o güne kadar kullanılır, iade yapılmaz",
    ),
    "cancel_now": (
        "Now: {amount} for the unused time comes back to your balance",
        "Şimdi: kullanılmayan süre için {amount} bakiyenize döner",
    ),
    "cancel_now_free": ("Now: nothing comes back", "Şimdi: iade yapılmaz"),
    "cancel_withdraw": (
        "Withdraw, possible until {until}: all of {amount} comes back",
        "Cayma hakkı, {until} tarihine kadar: {amount} tamamen geri gelir",
    ),
    "to_card": (
        "{amount} of it goes on to the card that paid",
        "{amount} tutarı ödeme yapılan karta gönderilir",
    ),
    "do_cancel": ("End it", "Sonlandır"),
    # extra packages
    "packs_left": ("Bought packages", "Alınan paketler"),
    "no_packs": ("None yet.", "Henüz yok."),
    "packs_sold": ("Packages on sale", "Satıştaki paketler"),
    "packs_note": (
        "Messages that expire first are used first: those of your plan, then those of a package.",
        "Önce süresi erken dolan mesajlar kullanılır: planınızınki, sonra paketinizinki.",
    ),
    "col_pack": ("Package", "Paket"),
    "col_bought": ("Bought", "Alındı"),
    "col_left": ("Left", "Kalan"),
    "col_units": ("of", "toplam"),
    "col_used": ("Used", "Kullanılan"),
    "col_lost": ("Expired", "Süresi dolan"),
    "col_until": ("Usable until", "Son kullanım"),
    "each": ("{amount} each", "tanesi {amount}"),
    "quantity": ("How many", "Kaç adet"),
    "see_price": ("See the price", "Fiyatı gör"),
    "see_price_of": ("{what}: see the price", "{what}: fiyatı gör"),
    "preview_pack": ("Buy a package", "Paket al"),
    "brings": ("You get", "Alacağınız"),
    "usable_until": ("Usable until", "Son kullanım"),
    "balance_then": ("Balance afterwards", "Sonraki bakiye"),
    "do_buy": ("Buy", "Satın al"),
    # top-up
    "amount": ("Amount", "Tutar"),
    "amount_hint": ("For example {sample}", "Örneğin {sample}"),
    "currency": ("Currency", "Para birimi"),
    "profile": ("Billing profile", "Fatura bilgileri"),
    "profile_hint": (
        "It stands on the invoice. Changes count from the next top-up.",
        "Faturada yer alır. Değişiklikler bir sonraki yüklemeden itibaren geçerlidir.",
    ),
    "business_name": ("Business name", "İşletme unvanı"),
    "address.line": ("Address", "Adres"),
    "address.district": ("District", "İlçe"),
    "address.city": ("City", "İl"),
    "address.post_code": ("Post code", "Posta kodu"),
    "address.country": ("Country", "Ülke"),
    "country_hint": ("Two letters, such as TR", "İki harf, örneğin TR"),
    "tax_id.kind": ("Kind of tax id", "Vergi kimliği türü"),
    "kind_VKN": ("Company (VKN)", "Şirket (VKN)"),
    "kind_TCKN": ("Sole trader (TCKN)", "Şahıs (TCKN)"),
    "kind_FOREIGN": ("Abroad", "Yurt dışı"),
    "tax_id.number": ("Tax number", "Vergi numarası"),
    "tax_id.tax_office": ("Tax office, for a VKN", "Vergi dairesi, VKN için"),
    "email": ("E-mail", "E-posta"),
    "optional": ("optional", "isteğe bağlı"),
    "save_and_pay": ("Save and pay", "Kaydet ve öde"),
    "to_payment": (
        "You pay on the page of the payment provider and come back here.",
        "Ödemeyi ödeme sağlayıcının sayfasında yapar, buraya dönersiniz.",
    ),
    # after a payment
    "paid_title": ("Balance topped up", "Bakiye yüklendi"),
    "paid": ("{amount} was added to your balance.", "Bakiyenize {amount} eklendi."),
    "unpaid_title": ("Not paid", "Ödenmedi"),
    "unpaid": (
        "The payment was declined. Your balance has not changed.",
        "Ödeme reddedildi. Bakiyeniz değişmedi.",
    ),
    "waiting_title": ("Waiting for the payment", "Ödeme bekleniyor"),
    "waiting": (
        "The payment provider has not confirmed the payment yet. Look again in a moment.",
        "Ödeme sağlayıcı ödemeyi henüz onaylamadı. Az sonra yeniden bakın.",
    ),
    "review_title": ("Being looked at", "İnceleniyor"),
    "review": (
        "The payment is being looked at by a person. You will hear from us.",
        "Ödemeyi bir görevli inceliyor. Size haber vereceğiz.",
    ),
    "look_again": ("Look again", "Yeniden bak"),
    "try_again": ("Try again", "Yeniden dene"),
    "balance_is": ("Available now: {amount}", "Şu an kullanılabilir: {amount}"),
    # statement
    "since": ("From", "Başlangıç"),
    "until": ("Up to and including", "Bitiş (dahil)"),
    "show": ("Show", "Göster"),
    "csv": ("Download CSV", "CSV indir"),
    "opening": ("Opening balance", "Açılış bakiyesi"),
    "closing": ("Closing balance", "Kapanış bakiyesi"),
    "carried": ("Carried over", "Devreden"),
    "next_page": ("Next page", "Sonraki sayfa"),
    "first_page": ("First page", "İlk sayfa"),
    "col_number": ("No.", "No"),
    "col_when": ("When", "Tarih"),
    "col_entry": ("Entry", "Hareket"),
    "col_reason": ("Reason", "Açıklama"),
    "col_amount": ("Amount", "Tutar"),
    "col_balance": ("Balance", "Bakiye"),
    "col_currency": ("Currency", "Para birimi"),
    # invoices
    "invoice_number": ("Number", "Numara"),
    "issued": ("Issued", "Düzenlenme"),
    "kind": ("Kind", "Tür"),
    "INVOICE": ("Invoice", "Fatura"),
    "CREDIT_NOTE": ("Credit note", "İade faturası"),
    "tax_part": ("of it tax", "içinde vergi"),
    "total": ("Total", "Toplam"),
    "open_invoice": ("Open", "Aç"),
    "no_invoices": (
        "No invoices yet. Each top-up gets one.",
        "Henüz fatura yok. Her yükleme için bir fatura düzenlenir.",
    ),
    # what is said afterwards
    "done_change": ("Your subscription was changed.", "Aboneliğiniz değiştirildi."),
    "done_start": ("Your subscription has begun.", "Aboneliğiniz başladı."),
    "done_schedule": ("The change is scheduled.", "Değişiklik planlandı."),
    "done_revoke": ("The scheduled change was revoked.", "Planlanmış değişiklik geri alındı."),
    "settled_already": (
        "This top-up was paid already. Here is a fresh form for another one.",
        "Bu yükleme zaten ödendi. Bir başkası için form yenilendi.",
    ),
    "done_pause": ("The subscription is paused.", "Abonelik duraklatıldı."),
    "done_resume": ("The subscription goes on.", "Abonelik devam ediyor."),
    "done_cancel": ("The subscription has ended.", "Abonelik sonlandırıldı."),
    "done_cancel_back": (
        "The subscription has ended; {amount} came back.",
        "Abonelik sonlandırıldı; {amount} geri geldi.",
    ),
    "done_cancel_later": (
        "The end of the subscription is planned.",
        "Aboneliğin sonlandırılması planlandı.",
    ),
    "done_pack": ("The package was bought.", "Paket satın alındı."),
    # problems
    "problem": ("That did not work", "Bu olmadı"),
    "problems": ("Please check {count} of the fields", "Lütfen {count} alanı kontrol edin"),
    "stale": (
        "The price that was shown no longer holds. This is the current one; nothing was done.",
        "Gösterilen fiyat artık geçerli değil. Güncel fiyat aşağıda; hiçbir şey yapılmadı.",
    ),
    "quote_gone": (
        "The price that was shown is no longer at hand. Choose again; nothing was done.",
        "Gösterilen fiyat artık elimizde değil. Yeniden seçin; hiçbir şey yapılmadı.",
    ),
    "csrf": (
        "This form is too old or came from elsewhere. Nothing was done: open the page anew.",
        "Bu form çok eski ya da başka yerden geldi. Hiçbir şey yapılmadı: sayfayı yeniden açın.",
    ),
    "not_found_title": ("There is no such page", "Böyle bir sayfa yok"),
    "not_found": (
        "What you are looking for is not here.",
        "Aradığınız şey burada değil.",
    ),
    "not_working": (
        "It is not known yet whether this was done. Try again: nothing is done twice.",
        "Bunun yapılıp yapılmadığı henüz bilinmiyor. Yeniden deneyin: hiçbir şey iki kez yapılmaz.",
    ),
    "bad_amount": (
        "Write an amount above zero, with at most two decimals, such as {sample}.",
        "Sıfırdan büyük, en çok iki ondalıklı bir tutar yazın, örneğin {sample}.",
    ),
    "bad_business_name": ("Write the name of the business.", "İşletmenin unvanını yazın."),
    "bad_address.line": ("Write the address.", "Adresi yazın."),
    "bad_address.district": ("Check the district.", "İlçeyi kontrol edin."),
    "bad_address.city": ("Write the city.", "İli yazın."),
    "bad_address.post_code": (
        "Write the post code; in Turkey five digits from 01 to 81.",
        "Posta kodunu yazın; Türkiye'de 01-81 ile başlayan beş rakam.",
    ),
    "bad_address.country": (
        "Write the country as two letters, such as TR.",
        "Ülkeyi iki harfle yazın, örneğin TR.",
    ),
    "bad_tax_id.kind": ("Choose the kind of tax id.", "Vergi kimliği türünü seçin."),
    "bad_tax_id.number": (
        "This number cannot be right: a VKN has ten digits, a TCKN eleven. Copy it again.",
        "Bu numara doğru olamaz: VKN on, TCKN on bir rakamdır. Yeniden yazın.",
    ),
    "bad_tax_id.tax_office": (
        "Name the tax office that the VKN is registered with.",
        "VKN'nin kayıtlı olduğu vergi dairesini yazın.",
    ),
    "bad_tax_id.country": (
        "The kind of tax id does not go with the country.",
        "Vergi kimliği türü ülkeyle uyuşmuyor.",
    ),
    "bad_email": (
        "Write the address as name@example.com, or leave it out.",
        "Adresi ad@ornek.com biçiminde yazın ya da boş bırakın.",
    ),
    "bad_quantity": (
        "So many are not sold at once. Choose another number.",
        "Bir kerede bu kadarı satılmıyor. Başka bir sayı seçin.",
    ),
    "bad_day": ("Choose a day that lies ahead.", "İleri bir gün seçin."),
    "bad_span": ("These days do not make a span.", "Bu günler bir aralık oluşturmuyor."),
}
"""Each text under its name: English, Turkish. Places to fill stand in braces."""


def text(name: str, language: str, /, **values: object) -> str:
    """Give a text of the page in a language, with its places filled.

    >>> text("set_aside", "tr", amount="5,00 TRY")
    '5,00 TRY ayrılmış'
    """
    found = TEXTS[name][LOCALES.index(check_locale(language))]
    return found.format_map(values) if values else found


def best_language(accepted: str) -> str:
    """Choose between the languages by an Accept-Language header; English where none is known.

    >>> best_language("de-DE,tr;q=0.8,en;q=0.4"), best_language("en;q=0.1, tr;q=0")
    ('tr', 'en')
    >>> best_language("")
    'en'
    """
    wanted: list[tuple[int, int, str]] = []
    for place, part in enumerate(accepted.split(",")):
        tag, _, weight = part.partition(";")
        language = tag.strip().partition("-")[0].lower()
        digits = weight.strip().removeprefix("q=").strip()
        thousandths = _thousandths(digits) if digits else 1000
        if language in LOCALES and thousandths:
            wanted.append((-thousandths, place, language))
    return min(wanted)[2] if wanted else LOCALES[0]


def _thousandths(weight: str) -> int:
    """Read a quality value of at most three decimals (RFC 9110, section 12.4.2) as thousandths."""
    whole, _, fraction = weight.partition(".")
    digits = whole + fraction.ljust(3, "0")
    return int(digits) if digits.isdecimal() and len(digits) == 4 else 0  # noqa: PLR2004 - 0.123
