"""Dates of documents, and what their relative dates mean: "June last year", written in 2023.

A small grammar of English rather than a library: dateparser is slow to import, reads the words "may", "sat"
and "a second" as dates, and resolves "Friday" where nobody can. What a writer may have meant in two ways
("last March", written in May) is left alone; so is what is vague ("some years ago", "recently").
"""

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SUNDAY = 6
_SHIFTS = {"last": -1, "previous": -1, "past": -1, "this": 0, "next": 1, "coming": 1}
_COUNTS = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "eleven": 11, "twelve": 12,
}  # fmt: skip
_ROUND = 20  # "thirty years ago" counts decades

_FORMS = ("%Y/%m/%d", "%d %B %Y", "%d %b %Y", "%B %d, %Y", "%b %d, %Y", "%B %d %Y", "%b %d %Y")
_LONGEST = 40  # characters of a date


def parse_date(written: str | None) -> date | None:
    """The day that a document's date names, in ISO 8601 or in English with a month's name, else None."""
    text = " ".join((written or "")[:_LONGEST].split())
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        pass
    text = re.sub(r"(?<=[A-Za-z])\.|(?<=\d)(?:st|nd|rd|th)\b", "", text).replace("Sept ", "Sep ")
    for form in _FORMS:
        try:
            return datetime.strptime(text, form).date()
        except ValueError:
            continue
    return None


def spelled(day: date) -> str:
    """A day in words: 3 April 2023."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def resolve(quote: str, written: str | None) -> tuple[tuple[str, str], ...]:
    """(words of `quote`, what they mean) for each relative date in it, in their order, each once.

    `written` is the date of the document, in whatever form; where it names no day, nothing is resolved.
    """
    day = parse_date(written)
    if day is None:
        return ()
    found: list[tuple[int, int, str]] = []
    for pattern, rule in _RULES:
        for match in pattern.finditer(quote):
            if any(match.start() < end and start < match.end() for start, end, _ in found):
                continue  # part of a longer one
            try:
                meaning = rule(match, day) or ""
            except (ValueError, OverflowError):  # the 31st of June; before the year 1
                meaning = ""
            found.append((match.start(), match.end(), meaning))
    return tuple(
        dict.fromkeys((quote[start:end], meaning) for start, end, meaning in sorted(found) if meaning)
    )


def _month_of_year(match: re.Match[str], day: date) -> str:
    """June last year, March to June last year, March 16 this year, 16 March this year."""
    year = day.year + _SHIFTS[match["which"].lower()]
    month, number = _month(match["month"]), match["day"] or match["then"]
    if number:
        return spelled(date(year, month + 1, int(number)))
    first = f"{MONTHS[_month(match['from'])]} {match['join']} " if match["from"] else ""
    return f"{first}{MONTHS[month]} {year}"


def _named(match: re.Match[str], day: date) -> str | None:
    """last June, next Monday: where it lies in last and in next year or week by every reading."""
    shift = _SHIFTS[match["which"].lower()]
    weekdays = match["name"] in _DAYS
    number = _DAYS.index(match["name"]) if weekdays else _month(match["name"])
    now = day.weekday() if weekdays else day.month - 1
    if (number - now) * shift > 0 or (weekdays and shift == 0):
        return None
    if weekdays:
        return spelled(day + timedelta(days=number - now, weeks=shift))
    return f"{MONTHS[number]} {day.year + shift}"


def _period(match: re.Match[str], day: date) -> str | None:
    """last year, this month, next week."""
    shift = _SHIFTS[match["which"].lower()]
    match match["unit"].lower():
        case "year":
            return str(day.year + shift)
        case "month":
            return _month_of(_months_away(day, shift))
    if day.weekday() == _SUNDAY:  # the last day of a week, or the first
        return None
    return f"the week of {spelled(day + timedelta(days=-day.weekday(), weeks=shift))}"


def _ago(match: re.Match[str], day: date) -> str | None:
    """two weeks ago, 3 years ago."""
    number = _count(match["count"])
    match match["unit"].lower():
        case "year":
            return None if number >= _ROUND and number % 10 == 0 else str(day.year - number)
        case "month":
            return _month_of(_months_away(day, -number))
        case "week":
            return f"about {spelled(day - timedelta(weeks=number))}"
    return spelled(day - timedelta(days=number))


def _span(match: re.Match[str], day: date) -> str:
    """the past decade, the last two years, the next six months."""
    number = _SHIFTS[match["which"].lower()] * _count(match["count"] or "one")
    match match["unit"].lower():
        case "decade":
            ends = [str(year) for year in sorted((day.year, day.year + 10 * number))]
        case "year":
            ends = [str(year) for year in sorted((day.year, day.year + number))]
        case "month":
            ends = [_month_of(end) for end in sorted((day, _months_away(day, number)))]
        case unit:
            step = timedelta(weeks=number) if unit == "week" else timedelta(days=number)
            ends = [spelled(end) for end in sorted((day, day + step))]
    return " to ".join(ends)


def _near(match: re.Match[str], day: date) -> str:
    """yesterday, the day after tomorrow, last night, this morning."""
    words = " ".join(match[0].lower().split())
    if words == "last night":
        return f"the night of {spelled(day - timedelta(days=1))}"
    days = {"yesterday": -1, "tomorrow": 1}.get(words.split()[-1], 0)
    return spelled(day + timedelta(days=2 * days if words.startswith("the day") else days))


def _months_away(day: date, months: int) -> date:
    """The first day of a month."""
    years, month = divmod(day.month - 1 + months, 12)
    return date(day.year + years, month + 1, 1)


def _month_of(day: date) -> str:
    return f"{MONTHS[day.month - 1]} {day.year}"


def _month(name: str) -> int:
    return next(n for n, month in enumerate(MONTHS) if month.startswith(name[:3]))


def _count(words: str) -> int:
    return _COUNTS.get(words.lower()) or int(words)


_MONTH = rf"(?:{'|'.join(MONTHS)}|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|Nov|Dec)\.?)"
_NAME = rf"(?:{'|'.join(MONTHS + _DAYS)})"
_COUNT = rf"(?:[1-9]\d{{0,2}}|(?i:{'|'.join(_COUNTS)}))"
_WHICH = r"\b(?P<which>(?i:last|this|next))\s+"

Rule = Callable[[re.Match[str], date], str | None]

# The longer forms first: what is part of one is not resolved by itself.
_RULES: tuple[tuple[re.Pattern[str], Rule], ...] = tuple(
    (re.compile(pattern), rule)
    for pattern, rule in (
        (
            rf"\b(?:(?P<from>{_MONTH})\s+(?P<join>to|and|through|until)\s+|(?P<day>\d{{1,2}})\s+)?"
            rf"(?P<month>{_MONTH})(?:\s+(?P<then>\d{{1,2}}))?,?\s+(?:of\s+)?{_WHICH}year\b",
            _month_of_year,
        ),
        (rf"{_WHICH}(?P<name>{_NAME})\b(?!\s+\d)", _named),
        # Not "almost two years ago", and not the "5 days" of "1.5 days".
        (
            r"(?<![-\d.,–])(?<!\d\s)(?P<vague>\b(?i:about|almost|nearly|around|over|some|roughly|than|least|"
            r"most|to|or|half)\s+)?"
            rf"\b(?P<count>{_COUNT})\s+(?P<unit>(?i:day|week|month|year))s?\s+ago\b",
            lambda match, day: None if match["vague"] else _ago(match, day),
        ),
        (
            r"\b(?i:the)\s+(?P<which>(?i:past|last|previous|next|coming))\s+"
            rf"(?:(?P<count>{_COUNT})\s+)?(?P<unit>(?i:decade|year|month|week|day))s?\b(?!\s+(?i:of|before)\b)",
            lambda match, day: _span(match, day) if match["count"] or match["unit"] == "decade" else None,
        ),
        # Not "his last year", nor "the next year" or "this year of all years", which others count from.
        (
            rf"(?P<whose>\b(?i:his|her|its|their|our|my|your)\s+|\w['’]s\s+)?{_WHICH}"
            r"(?P<unit>(?i:year|month|week))\b(?!\s+(?i:of)\b)",
            lambda match, day: None if match["whose"] else _period(match, day),
        ),
        (
            r"\b(?i:the\s+day\s+(?:before\s+yesterday|after\s+tomorrow)|yesterday|tomorrow|last\s+night|"
            r"this\s+(?:morning|afternoon|evening))\b",
            _near,
        ),
    )
)
