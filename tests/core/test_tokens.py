"""Tokens that must not be taken, shown to the functions and to a running server."""

import base64
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from tests.builders.users import Account, create_user
from tests.conftest import JWT_SECRET
from tests.openapi import filled
from tests.servers import ApiProcess, error_of

from talas.core.tokens import Claims, InvalidToken, TokenSigner, TokenType

# Of the collection, and by far longer than the run that follows it.
NOW = int(time.time())
DAY_S = 24 * 3600
CLAIMS: dict[str, Any] = {
    "user_id": 1,
    "username": "ann",
    "role": "user",
    "sid": 1,
    "typ": "access",
    "iat": NOW,
    "exp": NOW + DAY_S,
}


def encoded(
    claims: dict[str, Any], *, secret: str = JWT_SECRET, algorithm: str = "sha256", **header: Any
) -> str:
    """Signed with the HMAC of ``algorithm``, whatever the header says."""
    parts = [{"alg": "HS256", "typ": "JWT", **header}, claims]
    text = ".".join(_base64(json.dumps(part).encode()) for part in parts)
    signature = hmac.new(secret.encode(), text.encode(), algorithm).digest()
    return f"{text}.{_base64(signature)}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in CLAIMS.items() if name not in names}


@pytest.fixture
def signer() -> TokenSigner:
    return TokenSigner(JWT_SECRET)


def test_what_was_signed_is_read(signer: TokenSigner) -> None:
    claims = Claims(1, "ann", "user", 1, TokenType.ACCESS, NOW, NOW + DAY_S, gen=3)
    token = signer.sign(claims)
    assert signer.sign(claims) == token
    assert TokenSigner(JWT_SECRET).read(token, TokenType.ACCESS) == claims


def test_the_forger_of_this_test_can_sign(signer: TokenSigner) -> None:
    assert signer.read(encoded(CLAIMS), TokenType.ACCESS).user_id == 1
    assert signer.read(encoded({**CLAIMS, "more": [1]}), TokenType.ACCESS).user_id == 1


FORGED = {
    "empty": "",
    "no token": "x",
    "two parts": encoded(CLAIMS).rpartition(".")[0],
    "no signature": encoded(CLAIMS).rpartition(".")[0] + ".",
    "four parts": encoded(CLAIMS) + ".x",
    "another secret": encoded(CLAIMS, secret="another-secret-that-is-long-enough!"),
    "empty secret": encoded(CLAIMS, secret=""),
    "alg none": encoded(CLAIMS, alg="none"),
    "alg None": encoded(CLAIMS, alg="None"),
    "alg none, no signature": encoded(CLAIMS, alg="none").rpartition(".")[0] + ".",
    "HS384": encoded(CLAIMS, algorithm="sha384", alg="HS384"),
    "HS512": encoded(CLAIMS, algorithm="sha512", alg="HS512"),
    "RS256 in the header": encoded(CLAIMS, alg="RS256"),
    "no alg": encoded(CLAIMS, alg=None),
    "a list as alg": encoded(CLAIMS, alg=["HS256"]),
    "a kid that is a file": encoded(CLAIMS, secret="", kid="/dev/null"),
    "a kid that is SQL": encoded(CLAIMS, secret="x", kid="' UNION SELECT 'x' --"),
    "a jku of somebody": encoded(CLAIMS, secret="x", jku="http://127.0.0.1:1/keys"),
    "a jwk of its own": encoded(CLAIMS, secret="x", jwk={"kty": "oct", "k": "eA"}),
    "a critical extension": encoded(CLAIMS, crit=["talas"], talas=1),
    "expired": encoded({**CLAIMS, "exp": NOW - 1}),
    "not valid yet": encoded({**CLAIMS, "nbf": NOW + DAY_S}),
    "for another audience": encoded({**CLAIMS, "aud": "elsewhere"}),
    "exp is text": encoded({**CLAIMS, "exp": str(NOW + DAY_S)}),
    "exp is a float": encoded({**CLAIMS, "exp": NOW + DAY_S + 0.5}),
    "exp is NaN": encoded({**CLAIMS, "exp": float("nan")}),
    "user_id true": encoded({**CLAIMS, "user_id": True}),
    "user_id as text": encoded({**CLAIMS, "user_id": "1"}),
    "user_id null": encoded({**CLAIMS, "user_id": None}),
    "user_id a list": encoded({**CLAIMS, "user_id": [1]}),
    "sid true": encoded({**CLAIMS, "sid": True}),
    "sid as text": encoded({**CLAIMS, "sid": "1"}),
    "typ unknown": encoded({**CLAIMS, "typ": "root"}),
    "typ null": encoded({**CLAIMS, "typ": None}),
    "typ refresh": encoded({**CLAIMS, "typ": "refresh"}),
    "typ media": encoded({**CLAIMS, "typ": "media"}),
    "claims are a list": encoded([]),  # type: ignore[arg-type]
    **{f"without {name}": encoded(without(name)) for name in CLAIMS},
}


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED)
def test_a_forged_token_is_refused(signer: TokenSigner, token: str) -> None:
    with pytest.raises(InvalidToken, match=r"^Invalid token$"):
        signer.read(token, TokenType.ACCESS)
    with pytest.raises(InvalidToken):  # also from memory
        signer.read(token, TokenType.ACCESS)


@pytest.mark.parametrize("position", range(0, len(encoded(CLAIMS)) - 1, 7))
def test_a_token_with_one_changed_character_is_refused(signer: TokenSigner, position: int) -> None:
    token = encoded(CLAIMS)
    changed = "A" if token[position] != "A" else "B"
    with pytest.raises(InvalidToken):
        signer.read(token[:position] + changed + token[position + 1 :], TokenType.ACCESS)


@pytest.mark.parametrize("made", TokenType)
@pytest.mark.parametrize("wanted", TokenType)
def test_each_use_has_its_own_type(signer: TokenSigner, made: TokenType, wanted: TokenType) -> None:
    token = signer.sign(Claims(1, "ann", "user", 1, made, NOW, NOW + DAY_S))
    if made is wanted:
        assert signer.read(token, wanted).typ is made
        return
    with pytest.raises(InvalidToken):
        signer.read(token, wanted)


def test_a_token_ends_also_when_it_is_remembered(
    signer: TokenSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = signer.sign(Claims(1, "ann", "user", 1, TokenType.ACCESS, NOW, NOW + DAY_S))
    signer.read(token, TokenType.ACCESS)
    monkeypatch.setattr(time, "time", lambda: NOW + DAY_S)
    with pytest.raises(InvalidToken):
        signer.read(token, TokenType.ACCESS)


@pytest.fixture(scope="module")
def user(api: ApiProcess) -> Account:
    return create_user(api)


@pytest.fixture(scope="module")
def media_token(api: ApiProcess, user: Account) -> str:
    token: str = api.client.post("/auth/media-token", token=user.token).json()["data"]["token"]
    return token


def true_claims(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, JWT_SECRET, algorithms=["HS256"])
    return claims


def test_none_of_the_matrix_opens_anything(api: ApiProcess, user: Account) -> None:
    """With the ids of a live session, which the attacker may know."""
    mine = true_claims(user.token)
    assert api.client.get("/auth/me", token=encoded(mine)).status_code == 200
    forged = [
        encoded(mine, secret="x"),
        encoded(mine, alg="none"),
        encoded(mine, alg="none").rpartition(".")[0] + ".",
        encoded(mine, secret="", kid="/dev/null"),
        encoded({**mine, "typ": "refresh"}),
        encoded({**mine, "typ": "media"}),
        encoded({**mine, "user_id": mine["user_id"] + 1}),
        encoded({**mine, "sid": mine["sid"] + 1}),
        encoded({**mine, "sid": 2**40}),
        encoded({**mine, "sid": -1}),
        encoded({**mine, "exp": NOW - 1}),
        encoded({name: value for name, value in mine.items() if name != "sid"}),
    ]
    for token in forged:
        answer = api.client.get("/auth/me", token=token)
        assert (answer.status_code, error_of(answer)) == (401, "Invalid token"), token


def test_a_role_in_the_token_counts_for_nothing(api: ApiProcess, user: Account) -> None:
    claims = {**true_claims(user.token), "role": "super_admin", "username": "root"}
    profile = api.client.get("/auth/me", token=encoded(claims)).json()["data"]
    assert (profile["role"], profile["username"]) == ("user", user.username)


def test_tokens_are_good_for_their_own_use_only(
    api: ApiProcess, user: Account, media_token: str
) -> None:
    for token in (user.refresh_token, media_token):
        assert api.client.get("/auth/me", token=token).status_code == 401
    for token in (user.token, media_token):
        answer = api.client.post("/auth/refresh", json={"refresh_token": token})
        assert answer.status_code == 401
    picture = f"/uploads/avatars/{user.id}.jpg"
    for token in (user.token, user.refresh_token, "", "x"):
        assert api.client.get(f"{picture}?token={token}").status_code == 401
    assert api.client.get(f"{picture}?token={media_token}").status_code == 404
    assert api.client.get(picture, token=user.token).status_code == 404


def test_a_media_token_reads_media_and_nothing_else(
    api: ApiProcess, user: Account, media_token: str
) -> None:
    for path, operations in api.client.document.paths.items():
        for method, operation in operations.items():
            media = {"mediaToken": []} in operation.get("security", [])
            if "bearer" not in str(operation.get("security")):
                continue
            answer = api.client.request(
                method.upper(), filled(path).removeprefix("/api/v1"), params={"token": media_token}
            )
            if media:
                assert method in ("get", "head")
                assert answer.status_code != 401, (method, path)
            else:
                assert answer.status_code == 401, (method, path)


def test_a_tampered_media_token_is_refused(
    api: ApiProcess, user: Account, media_token: str
) -> None:
    head, claims, signature = media_token.split(".")
    for token in (
        f"{head}.{claims}.{signature[:-2]}AA",
        encoded({**true_claims(media_token), "exp": NOW - 1}),
        encoded({**true_claims(media_token), "user_id": user.id + 1}),
    ):
        answer = api.client.get(f"/uploads/avatars/{user.id}.jpg?token={token}")
        assert answer.status_code == 401


def test_a_media_token_lives_an_hour_at_most(media_token: str) -> None:
    claims = true_claims(media_token)
    assert claims["exp"] - claims["iat"] <= 3600
