"""Where what messages carry lies in storage, and the job that deletes it there."""

FOLDER = "chat"
DELETE_OBJECTS = "attachments.delete_objects"
