DROP TABLE track_features;
DROP INDEX tracks_stale_idx;
ALTER TABLE tracks
    DROP COLUMN samples,
    DROP COLUMN bpm_confidence,
    DROP COLUMN key_confidence,
    DROP COLUMN analysis_version,
    DROP COLUMN analysed_at;
