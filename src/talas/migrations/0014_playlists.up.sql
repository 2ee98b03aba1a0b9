CREATE TABLE playlists (
    id SERIAL PRIMARY KEY,
    user_id INT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    title VARCHAR(200) NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    visibility VARCHAR(20) NOT NULL DEFAULT 'public'
        CONSTRAINT playlists_visibility_known
        CHECK (visibility IN ('public', 'unlisted', 'private')),
    version INT NOT NULL DEFAULT 1,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX playlists_user_idx ON playlists (user_id);
CREATE INDEX playlists_newest_idx ON playlists (id DESC) WHERE visibility = 'public';
CREATE INDEX playlists_updated_idx ON playlists (updated_at DESC, id DESC)
    WHERE visibility = 'public';
CREATE INDEX playlists_trigrams_idx ON playlists USING gin (
    trigrams(title || E'\n' || description) COLLATE "C"
) WITH (gin_pending_list_limit = 1024);

SELECT keep_count('playlists', 'visibility');

-- Who changes the order holds the row of the playlist; positions may have gaps.
CREATE TABLE playlist_tracks (
    id BIGSERIAL PRIMARY KEY,
    playlist_id INT NOT NULL REFERENCES playlists (id) ON DELETE CASCADE,
    position INT NOT NULL,
    track_id INT NOT NULL REFERENCES tracks (id) ON DELETE CASCADE,
    added_by INT REFERENCES users (id) ON DELETE SET NULL,
    added_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- With the track, so that it alone says how many one may hear.
CREATE INDEX playlist_tracks_order_idx ON playlist_tracks (playlist_id, position)
    INCLUDE (track_id);
CREATE INDEX playlist_tracks_track_idx ON playlist_tracks (track_id);
CREATE INDEX playlist_tracks_added_by_idx ON playlist_tracks (added_by);

CREATE TABLE playlist_collaborators (
    playlist_id INT NOT NULL REFERENCES playlists (id) ON DELETE CASCADE,
    user_id INT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (playlist_id, user_id)
);

CREATE INDEX playlist_collaborators_user_idx ON playlist_collaborators (user_id);

-- Who blocks somebody shares no playlist with them any more.
CREATE FUNCTION end_collaboration_of_blocked() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM playlist_collaborators AS c
    USING playlists AS p
    WHERE p.id = c.playlist_id
        AND (p.user_id, c.user_id)
            IN ((NEW.blocker_id, NEW.blocked_id), (NEW.blocked_id, NEW.blocker_id));
    RETURN NULL;
END
$$;

CREATE TRIGGER user_blocks_end_collaboration AFTER INSERT ON user_blocks
    FOR EACH ROW EXECUTE FUNCTION end_collaboration_of_blocked();
