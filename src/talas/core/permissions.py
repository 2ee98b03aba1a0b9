"""Who may do what: the one place that says which role holds which permission."""

import enum


class Role(enum.StrEnum):
    """Ordered: each role holds what the lower ones hold."""

    USER = "user"
    MODERATOR = "moderator"
    ADMIN = "admin"
    SUPER_ADMIN = "super_admin"

    @property
    def rank(self) -> int:
        return _RANKS[self]


_RANKS = {role: rank for rank, role in enumerate(Role)}


class Permission(enum.Enum):
    MODERATE_MESSAGES = enum.auto()
    MODERATE_TAGS = enum.auto()
    HIDE_TRACKS = enum.auto()
    HANDLE_REPORTS = enum.auto()
    MANAGE_USERS = enum.auto()
    MANAGE_CATALOGUE = enum.auto()
    DELETE_ROOMS = enum.auto()
    GRANT_ADMIN = enum.auto()
    READ_AUDIT_LOG = enum.auto()


_LOWEST_ROLE = {
    Permission.MODERATE_MESSAGES: Role.MODERATOR,
    Permission.MODERATE_TAGS: Role.MODERATOR,
    Permission.HIDE_TRACKS: Role.MODERATOR,
    Permission.HANDLE_REPORTS: Role.MODERATOR,
    Permission.MANAGE_USERS: Role.ADMIN,
    Permission.MANAGE_CATALOGUE: Role.ADMIN,
    Permission.DELETE_ROOMS: Role.ADMIN,
    Permission.GRANT_ADMIN: Role.SUPER_ADMIN,
    Permission.READ_AUDIT_LOG: Role.SUPER_ADMIN,
}


def holds(role: Role, permission: Permission) -> bool:
    return role.rank >= _LOWEST_ROLE[permission].rank


def may_change_role(*, actor: Role, present: Role, future: Role) -> bool:
    """An actor must outrank both roles; only super_admins act on their equals."""
    if actor is Role.SUPER_ADMIN:
        return True
    return actor.rank > present.rank and actor.rank > future.rank
