"""A page is found from the end that is nearer."""

import pytest

from talas.core.http.pagination import Page


def rows_of(page: Page, total: int) -> list[int]:
    """As a statement finds them that walks along the list, or along it backwards."""
    window = page.window(total)
    walked = list(range(total))[:: -1 if window.from_end else 1]
    return sorted(walked[window.offset : window.offset + window.limit])


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
@pytest.mark.parametrize("total", [0, 1, 2, 6, 7, 8, 50])
def test_either_way_leads_to_the_same_page(limit: int, total: int) -> None:
    for number in range(1, total // limit + 4):
        page = Page(number, limit)
        assert rows_of(page, total) == list(range(total))[page.offset : page.offset + limit]


def test_no_page_is_further_than_half_the_list() -> None:
    assert max(Page(number, 20).window(1_000).offset for number in range(1, 60)) <= 500
