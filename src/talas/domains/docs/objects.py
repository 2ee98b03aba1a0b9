"""Where the house's documents lie in their storage, and the job that deletes them there.

A store that also holds all else keeps them apart by the folder.
"""

FOLDER = "docs"
DELETE_OBJECTS = "docs.delete_objects"
