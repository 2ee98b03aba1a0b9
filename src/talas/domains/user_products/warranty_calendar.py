"""The ends of warranties as a calendar (RFC 5545). People share calendars: it names products, and
nothing else that their owner wrote down."""

import datetime as dt

from icalendar import Alarm, Calendar, Event

from talas import __version__
from talas.domains.user_products.sql import Expiry

REMIND = dt.timedelta(days=-30)
REFRESH = dt.timedelta(hours=12)


def write_calendar(expiries: list[Expiry]) -> bytes:
    """An all-day event for each, on the last day of the warranty, with a reminder before."""
    calendar = Calendar()
    calendar.add("prodid", f"-//Talas//Talas {__version__}//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", "Talas: warranties")
    calendar.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    for expiry in expiries:
        calendar.add_component(_event(expiry))
    return bytes(calendar.to_ical())


def _event(expiry: Expiry) -> Event:
    name = _name_of(expiry)
    event = Event()
    # Nobody else's, of another server of the same person's either, and always the same.
    event.add("uid", f"{expiry.id}-{expiry.created_at:%Y%m%dT%H%M%S%f}@warranty.talas")
    event.add("dtstamp", expiry.updated_at)
    event.add("dtstart", expiry.warranty_expires)
    event.add("summary", f"Warranty ends: {name}")
    event.add("transp", "TRANSPARENT")
    reminder = Alarm()
    reminder.add("action", "DISPLAY")
    reminder.add("trigger", REMIND)
    reminder.add("description", f"The warranty of {name} ends in 30 days")
    event.add_component(reminder)
    return event


def _name_of(expiry: Expiry) -> str:
    """With its brand, which many names begin with already."""
    name, brand = expiry.product_name, expiry.brand
    if not brand or f"{name} ".casefold().startswith(f"{brand} ".casefold()):
        return name
    return f"{brand} {name}"
