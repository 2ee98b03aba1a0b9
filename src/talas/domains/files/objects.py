"""Where the files of people's gear lie in storage, and the job that deletes them there."""

FOLDER = "files"
DELETE_OBJECTS = "files.delete_objects"
