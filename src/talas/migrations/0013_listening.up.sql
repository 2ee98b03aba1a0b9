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

-- follower_active leaves suspended accounts out of lists and counts as long as they are suspended.
CREATE TABLE follows (
    follower_id INT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    user_id INT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    follower_active BOOLEAN NOT NULL DEFAULT true,
    PRIMARY KEY (follower_id, user_id),
    CONSTRAINT follows_somebody_else CHECK (follower_id <> user_id)
);

CREATE INDEX follows_followers_idx
    ON follows (user_id, follower_active, created_at DESC, follower_id DESC);
CREATE INDEX follows_following_idx ON follows (follower_id, created_at DESC, user_id DESC);

SELECT keep_count('follows', 'user_id', 'follower_active');

CREATE FUNCTION set_follower_active() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE follows
    SET follower_active = NEW.status = 'active'
    WHERE follower_id = NEW.id;
    RETURN NULL;
END
$$;

CREATE TRIGGER follows_status AFTER UPDATE OF status ON users
    FOR EACH ROW WHEN ((OLD.status = 'active') <> (NEW.status = 'active'))
    EXECUTE FUNCTION set_follower_active();

-- Who blocks somebody follows them no longer, nor is followed by them.
CREATE FUNCTION unfollow_blocked() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM follows
    WHERE (follower_id, user_id)
        IN ((NEW.blocker_id, NEW.blocked_id), (NEW.blocked_id, NEW.blocker_id));
    RETURN NULL;
END
$$;

CREATE TRIGGER user_blocks_unfollow AFTER INSERT ON user_blocks
    FOR EACH ROW EXECUTE FUNCTION unfollow_blocked();

-- When everybody could hear a track for the first time; hiding and showing it again changes nothing.
-- NULL stands for created_at in a track that was shared from the start, as those are that were there
-- before this column: giving each of them a value would write them and all their indexes anew.
ALTER TABLE tracks ADD COLUMN published_at TIMESTAMPTZ;

CREATE INDEX tracks_published_idx
    ON tracks (user_id, (coalesce(published_at, created_at)) DESC, id DESC)
    INCLUDE (published_at, created_at)
    WHERE status = 'ready' AND visibility = 'public';

CREATE FUNCTION set_published_at() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.published_at := CASE
        WHEN OLD.status = 'ready' AND OLD.visibility = 'public' THEN NEW.created_at
        ELSE now()
    END;
    RETURN NEW;
END
$$;

CREATE TRIGGER tracks_published BEFORE UPDATE OF status, visibility ON tracks
    FOR EACH ROW WHEN (
        NEW.published_at IS NULL
        AND (
            (OLD.status = 'ready' AND OLD.visibility = 'public')
            <> (NEW.status = 'ready' AND NEW.visibility = 'public')
        )
    )
    EXECUTE FUNCTION set_published_at();

-- How many tracks everybody may hear of each user, kept as by keep_count, under a name of its own.
CREATE FUNCTION count_shared_tracks() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO count_changes
        SELECT 'shared_tracks', jsonb_build_object('user_id', user_id), count(*)
        FROM added
        WHERE status = 'ready' AND visibility = 'public'
        GROUP BY user_id;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO count_changes
        SELECT 'shared_tracks', jsonb_build_object('user_id', user_id), -count(*)
        FROM removed
        WHERE status = 'ready' AND visibility = 'public'
        GROUP BY user_id;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO count_changes
        SELECT 'shared_tracks', jsonb_build_object('user_id', moved.user_id), moved.change
        FROM (
            VALUES (OLD.user_id, OLD.status, OLD.visibility, -1),
                (NEW.user_id, NEW.status, NEW.visibility, 1)
        ) AS moved (user_id, status, visibility, change)
        WHERE moved.status = 'ready' AND moved.visibility = 'public';
    ELSE
        INSERT INTO count_changes
        SELECT relation, key, -sum(n)
        FROM (
            SELECT relation, key, total FROM counts
            UNION ALL
            SELECT relation, key, change FROM count_changes
        ) AS known (relation, key, n)
        WHERE relation = 'shared_tracks'
        GROUP BY relation, key;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER count_shared_added AFTER INSERT ON tracks
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_shared_tracks();
CREATE TRIGGER count_shared_removed AFTER DELETE ON tracks
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION count_shared_tracks();
CREATE TRIGGER count_shared_emptied AFTER TRUNCATE ON tracks
    FOR EACH STATEMENT EXECUTE FUNCTION count_shared_tracks();
CREATE TRIGGER count_shared_moved AFTER UPDATE OF user_id, status, visibility ON tracks
    FOR EACH ROW WHEN (
        (OLD.user_id, OLD.status, OLD.visibility)
        IS DISTINCT FROM (NEW.user_id, NEW.status, NEW.visibility)
    )
    EXECUTE FUNCTION count_shared_tracks();

INSERT INTO counts
SELECT 'shared_tracks', jsonb_build_object('user_id', user_id), count(*)
FROM tracks
WHERE status = 'ready' AND visibility = 'public'
GROUP BY user_id;
