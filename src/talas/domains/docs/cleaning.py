"""Documents and their rows brought back together."""

from talas.core.reconciling import Shelf
from talas.core.storage import Storage
from talas.domains.docs import sql
from talas.domains.docs.objects import FOLDER


def shelf(storage: Storage) -> Shelf:
    return Shelf("docs", FOLDER, storage, sql.select_known_keys, sql.select_stored)
