-- What one has heard. Who plays a track may delete this; the track's count stays.
CREATE TABLE track_plays (
    id BIGSERIAL PRIMARY KEY,
    user_id INT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    track_id INT NOT NULL REFERENCES tracks (id) ON DELETE CASCADE,
    played_at TIMESTAMPTZ NOT NULL
);

CREATE INDEX track_plays_user_idx ON track_plays (user_id, id DESC) INCLUDE (track_id);
CREATE INDEX track_plays_track_idx ON track_plays (track_id);

-- Plays that are not in tracks.plays yet: appended by who plays, so that nobody waits for a track
-- that many hear, and folded into it by the worker. Emptied as often as it fills, and read with
-- every track.
CREATE TABLE track_plays_unfolded (
    track_id INT NOT NULL,
    user_id INT NOT NULL,
    played_at TIMESTAMPTZ NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

CREATE INDEX track_plays_unfolded_idx ON track_plays_unfolded (track_id, user_id);

CREATE INDEX track_likes_user_idx ON track_likes (user_id, created_at DESC, track_id DESC);

-- The tracks that only their uploaders see: what somebody liked or heard and may see no more.
CREATE INDEX tracks_withheld_idx ON tracks (id) INCLUDE (user_id)
    WHERE NOT (status = 'ready' AND visibility <> 'private');

CREATE TABLE track_comments (
    id SERIAL PRIMARY KEY,
    track_id INT NOT NULL REFERENCES tracks (id) ON DELETE CASCADE,
    user_id INT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    at_ms BIGINT CONSTRAINT track_comments_at_not_negative CHECK (at_ms >= 0),
    content TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX track_comments_track_idx ON track_comments (track_id, id DESC);
CREATE INDEX track_comments_at_idx ON track_comments (track_id, at_ms, id);
CREATE INDEX track_comments_user_idx ON track_comments (user_id);

SELECT keep_count('track_comments', 'track_id');

CREATE TABLE follows (
    follower_id INT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    user_id INT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (follower_id, user_id),
    CONSTRAINT follows_somebody_else CHECK (follower_id <> user_id)
);

CREATE INDEX follows_user_idx ON follows (user_id);
