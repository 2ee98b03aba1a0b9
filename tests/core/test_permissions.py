import itertools

import pytest

from talas.core.errors import Forbidden
from talas.core.permissions import Permission, Role, holds, may_change_role
from talas.core.sessions import Actor

USER, MODERATOR, ADMIN, SUPER_ADMIN = Role
FROM = {
    MODERATOR: {"MODERATE_MESSAGES", "MODERATE_TAGS", "HIDE_TRACKS", "HANDLE_REPORTS"},
    ADMIN: {"MANAGE_USERS", "MANAGE_CATALOGUE", "DELETE_ROOMS"},
    SUPER_ADMIN: {"GRANT_ADMIN", "READ_AUDIT_LOG"},
}


def test_roles_are_in_order() -> None:
    assert USER.rank < MODERATOR.rank < ADMIN.rank < SUPER_ADMIN.rank


@pytest.mark.parametrize("permission", Permission)
def test_each_permission_begins_with_one_role(permission: Permission) -> None:
    [lowest] = [role for role, names in FROM.items() if permission.name in names]
    assert [role for role in Role if holds(role, permission)] == [
        role for role in Role if role.rank >= lowest.rank
    ]


def test_an_actor_outranks_both_roles() -> None:
    for actor, present, future in itertools.product(Role, Role, Role):
        outranks = actor.rank > present.rank and actor.rank > future.rank
        allowed = outranks or actor is SUPER_ADMIN
        assert may_change_role(actor=actor, present=present, future=future) == allowed


def test_an_actor_without_the_permission_is_told_so() -> None:
    Actor(1, "mod", MODERATOR, 1).require(Permission.MODERATE_TAGS)
    with pytest.raises(Forbidden):
        Actor(1, "mod", MODERATOR, 1).require(Permission.MANAGE_USERS)
