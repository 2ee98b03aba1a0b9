ALTER TABLE tracks
    ADD COLUMN samples BIGINT,
    ADD COLUMN bpm_confidence REAL,
    ADD COLUMN key_confidence REAL,
    ADD COLUMN analysis_version INT NOT NULL DEFAULT 0,
    ADD COLUMN analysed_at TIMESTAMPTZ;

-- A demo's tracks have no file, and a size of 0.
CREATE INDEX tracks_stale_idx ON tracks (analysis_version, id)
    WHERE status = 'ready' AND size > 0;

-- How a track sounds: a vector of signed bytes, comparable within one version.
CREATE TABLE track_features (
    track_id INT PRIMARY KEY REFERENCES tracks (id) ON DELETE CASCADE,
    version SMALLINT NOT NULL,
    vector BYTEA NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX track_features_changed_idx ON track_features (changed_at);
