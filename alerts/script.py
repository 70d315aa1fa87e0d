"""What an agent can say to an owner, in the owner's language."""

from alerts import wording
from alerts.calls import Call
from alerts.nearest_dealers import PICK_UP_KM
from config.faults import FaultMode, fault_modes
from config.i18n import Translate, translator


def what_to_say(call: Call, language: str) -> list[str]:
    """Return the call in paragraphs: why we call, what it means, what we offer. A probability is not for owners."""
    t = translator(language)
    mode = fault_modes().get(call.lead.fault_mode or "")
    if mode is None or call.lead.source != "prediction":
        about = wording.about_source(call.lead.source, language)
        first = t("You agreed that your %(model)s shares its readings with us.", model=call.model)
        said = [first + t(" We call since %(about)s.", about=about)]
        if mode is not None:
            said.append(t("What it points to: %(fault)s.", fault=mode.name(language)))
    else:
        why = wording.why(call.lead.why, mode, language)
        shown = t(
            "You agreed that your %(model)s shares its readings with us. They show: %(why)s.", model=call.model, why=why
        )
        said = [shown, _what_it_means(call, mode, t, language)]
    if call.offer is None:
        said.append(t("May I find a workshop that suits you and call you back?"))
        return said
    offer = t(
        "%(dealer)s is %(distance)s km from you and can do this work.",
        dealer=call.offer.name(language),
        distance=f"{call.offer.distance_km:.1f}",
    )
    if call.coupon is not None and call.coupon.percent_off is not None:
        offer += t(
            " With our coupon parts cost %(percent)s %% less; I will send it to you if you like.",
            percent=call.coupon.percent_off,
        )
    elif call.coupon is not None and call.coupon.yuan_off is not None:
        offer += t(" Our coupon takes %(yuan)s yuan off; I will send it to you if you like.", yuan=call.coupon.yuan_off)
    if call.offer.distance_km <= PICK_UP_KM:
        offer += t(" If you like, the car is fetched and brought back free of charge.")
    if mode is not None:
        offer += t(" Parts that are replaced are under warranty for the life of the car.")
    said.append(offer)
    return said


def _what_it_means(call: Call, mode: FaultMode, t: Translate, language: str) -> str:
    lead = call.lead
    fault = mode.name(language)
    whole = wording.whole_days(lead.days_to_lamp, lead.days_to_lamp_low, lead.days_to_lamp_high)
    if whole is None:
        return t(
            "What it points to: %(fault)s. A warning lamp may come on within %(days)s days, and we would rather"
            " have it looked at before.",
            fault=fault,
            days=mode.horizon_d,
        )
    return t(
        "What it points to: %(fault)s. A warning lamp will probably come on in about %(days)s days, most likely"
        " between %(low)s and %(high)s, and we would rather have it looked at before.",
        fault=fault,
        **{**whole, "days": max(whole["days"], 1)},
    )
