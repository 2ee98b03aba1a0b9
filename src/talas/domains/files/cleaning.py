"""Files and their rows brought back together."""

from talas.core.reconciling import Shelf
from talas.core.storage import Storage
from talas.domains.files import sql
from talas.domains.files.objects import FOLDER


def shelf(storage: Storage) -> Shelf:
    return Shelf("files", FOLDER, storage, sql.select_known_keys, sql.select_stored)
