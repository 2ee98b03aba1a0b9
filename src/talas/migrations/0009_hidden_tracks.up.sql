-- Hidden by a moderator: private, whatever its owner wants.
ALTER TABLE tracks ADD COLUMN hidden BOOLEAN NOT NULL DEFAULT false,
    ADD CONSTRAINT tracks_hidden_is_private CHECK (NOT hidden OR visibility = 'private');
