"""Conditions of searches by a part of a text, case ignored, which indexes of trigrams answer
(migration 0006)."""

_ACCOUNT = """username || E'\\n' || email || E'\\n'
    || coalesce(first_name, '') || ' ' || coalesce(last_name, '')"""


def may_contain(text: str, term: str) -> str:
    """``text`` is written as its index has it. Texts that have all trigrams of the term may still
    have them apart."""
    # A subquery, lest the planner makes the trigrams of a whole table where it knows a term to be
    # common.
    return f"""trigrams({text}) COLLATE "C" @> (SELECT trigrams({term}))"""


def account_may_contain(term: str) -> str:
    """As ``may_contain``, of a row of users."""
    return may_contain(_ACCOUNT, term)


def account_contains(term: str) -> str:
    """In the username, the e-mail or the name of a row of users."""
    return f"""(
    strpos(lower(username), lower({term})) > 0
    OR strpos(lower(email), lower({term})) > 0
    OR strpos(lower(concat_ws(' ', first_name, last_name)), lower({term})) > 0
  )"""
