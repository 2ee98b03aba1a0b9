"""What a tag may be called, and which spellings name the same one."""

import pytest
from tests.builders.tags import create_tagged_track, found_tags, tag_id_of, tag_track, tags_of
from tests.builders.tracks import post_track
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess, error_of

BUDGET = "tags must be at most 20 of at most 50 characters"


@pytest.fixture(scope="module")
def ann(api: ApiProcess) -> Account:
    return create_user(api)


@pytest.fixture(scope="module")
def track(api: ApiProcess, ann: Account) -> int:
    return create_tagged_track(api, ann.token, ann.id, "n-first")


@pytest.mark.parametrize(
    "spelling",
    [
        "deep\u200b house",
        "\ufeffDeep House\u2060",
        "\u202edeep house\u202c",
        "deep\thouse",
        " deep \n\u00a0house\u3000",
        "de\u00adep\u034f h\u200dou\u200cse",
        "de\u0080ep\ufe0f house",
    ],
    ids=ascii,
)
def test_spellings_that_look_alike_name_one_tag(
    api: ApiProcess, ann: Account, track: int, spelling: str
) -> None:
    tag_track(api, ann.token, track, "deep house")
    tag_id = tag_id_of(api, "deep house")
    tag_track(api, ann.token, track, spelling)
    assert tags_of(api, ann.token, track) == ["deep house"]
    assert tag_id_of(api, "deep house") == tag_id
    assert [*found_tags(api, ann.token, q=spelling)] == ["deep house"]


def test_accents_are_composed_across_what_cannot_be_seen(
    api: ApiProcess, ann: Account, track: int
) -> None:
    tag_track(api, ann.token, track, "cafe\u200c\u0301", "CAFÉ")
    assert tags_of(api, ann.token, track) == ["café"]


def test_a_comma_separates_tags_in_a_list_too(api: ApiProcess, ann: Account, track: int) -> None:
    tag_track(api, ann.token, track, "n-one, n-two", ",", "N-ONE", "n-three")
    assert tags_of(api, ann.token, track) == ["n-one", "n-two", "n-three"]


def test_what_cannot_be_seen_is_no_tag(api: ApiProcess, ann: Account, track: int) -> None:
    tag_track(api, ann.token, track, "\u200b", " \u3164 ", "n-seen", "")
    assert tags_of(api, ann.token, track) == ["n-seen"]


@pytest.mark.parametrize(
    ("tags", "sentence"),
    [
        ([str(number) for number in range(21)], "tags must be at most 20"),
        (["x" * 51] * 30, "tags must be at most 50 characters"),
        (["a\0b", "c\x07d", "x" * 51], "tags must not contain control characters"),
        (["a\x0bb"], "tags must not contain control characters"),
        ([str(number) for number in range(20_000)], BUDGET),
        ([f"{number:051}" for number in range(10_000)], BUDGET),
        ([""] * 100_000, BUDGET),
        (["," * 500_000], BUDGET),
        (["x" * 500_000], BUDGET),
    ],
    ids=["21", "long", "controls", "space control", "many", "many long", "empty", "commas", "huge"],
)
def test_refuses_in_one_sentence(
    api: ApiProcess, ann: Account, track: int, tags: list[str], sentence: str
) -> None:
    answer = api.client.put(f"/tracks/{track}", token=ann.token, json={"tags": tags})
    assert (answer.status_code, error_of(answer)) == (400, sentence)
    assert answer.json()["details"] == [{"field": "tags", "message": sentence}]


def test_twenty_tags_may_be_sent_with_their_repetitions(
    api: ApiProcess, ann: Account, track: int
) -> None:
    names = [f"{number:02}".ljust(50, "x") for number in range(20)]
    tag_track(api, ann.token, track, *names, *(f" {name.upper()} " for name in names))
    assert tags_of(api, ann.token, track) == names


@pytest.mark.parametrize(
    ("tags", "sentence"),
    [
        (["a,b", "c" * 51], "tags must be at most 50 characters"),
        ([",".join(map(str, range(30)))], "tags must be at most 20"),
        (["x,y," * 15_000] * 10, BUDGET),
    ],
    ids=["long", "many", "huge"],
)
def test_refuses_in_a_form(api: ApiProcess, ann: Account, tags: list[str], sentence: str) -> None:
    answer = post_track(api, ann.token, tags=tags)
    assert (answer.status_code, error_of(answer)) == (400, sentence)


def test_refuses_in_a_search(api: ApiProcess, ann: Account) -> None:
    for tags, sentence in (
        (",".join(map(str, range(200))), "tags must be at most 20"),
        (",".join(["x" * 51] * 20), "tags must be at most 50 characters"),
        ("x," * 3000, BUDGET),
    ):
        answer = api.client.get("/search/tracks", token=ann.token, params={"tags": tags})
        assert answer.status_code == 400
        assert answer.json()["details"] == [{"field": "tags", "message": sentence}]
