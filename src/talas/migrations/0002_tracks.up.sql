CREATE TABLE tracks (
    id SERIAL PRIMARY KEY,
    user_id INT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    title VARCHAR(200) NOT NULL,
    artist VARCHAR(200) NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    visibility VARCHAR(20) NOT NULL DEFAULT 'public'
        CONSTRAINT tracks_visibility_known CHECK (visibility IN ('public', 'unlisted', 'private')),
    status VARCHAR(20) NOT NULL DEFAULT 'processing'
        CONSTRAINT tracks_status_known CHECK (status IN ('processing', 'ready', 'failed')),
    error TEXT,
    license VARCHAR(64) NOT NULL DEFAULT 'all-rights-reserved',
    container VARCHAR(10) NOT NULL,
    media_type VARCHAR(100) NOT NULL,
    filename VARCHAR(255) NOT NULL,
    content_hash BYTEA NOT NULL
        CONSTRAINT tracks_content_hash_sha256 CHECK (octet_length(content_hash) = 32),
    size BIGINT NOT NULL,
    storage_key TEXT NOT NULL UNIQUE,
    duration_ms BIGINT,
    format VARCHAR(50),
    codec VARCHAR(50),
    bitrate INT,
    sample_rate INT,
    channels INT,
    loudness_lufs DOUBLE PRECISION,
    peak_dbtp DOUBLE PRECISION,
    bpm DOUBLE PRECISION,
    key VARCHAR(20),
    silence_lead_ms BIGINT,
    silence_tail_ms BIGINT,
    album TEXT,
    genre TEXT,
    recorded_on TEXT,
    track_number INT,
    has_cover BOOLEAN NOT NULL DEFAULT false,
    plays INT NOT NULL DEFAULT 0,
    likes INT NOT NULL DEFAULT 0,
    idempotency_key TEXT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE UNIQUE INDEX tracks_idempotency_key ON tracks (user_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX tracks_content_hash_idx ON tracks (user_id, content_hash);
CREATE INDEX tracks_user_idx ON tracks (user_id, id DESC);
CREATE INDEX tracks_newest_idx ON tracks (id DESC)
    WHERE status = 'ready' AND visibility = 'public';
CREATE INDEX tracks_most_played_idx ON tracks (plays DESC, id DESC)
    WHERE status = 'ready' AND visibility = 'public';
CREATE INDEX tracks_most_liked_idx ON tracks (likes DESC, id DESC)
    WHERE status = 'ready' AND visibility = 'public';
CREATE INDEX tracks_processing_idx ON tracks (created_at) WHERE status = 'processing';

CREATE TABLE tags (
    id SERIAL PRIMARY KEY,
    name VARCHAR(50) NOT NULL UNIQUE,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE TABLE track_tags (
    track_id INT NOT NULL REFERENCES tracks (id) ON DELETE CASCADE,
    tag_id INT NOT NULL REFERENCES tags (id) ON DELETE CASCADE,
    position SMALLINT NOT NULL,
    PRIMARY KEY (track_id, tag_id)
);

CREATE INDEX track_tags_tag_idx ON track_tags (tag_id, track_id);

CREATE TABLE track_likes (
    user_id INT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    track_id INT NOT NULL REFERENCES tracks (id) ON DELETE CASCADE,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, track_id)
);

CREATE INDEX track_likes_track_idx ON track_likes (track_id);
