-- What the clean-up of tags without any use walks along.
CREATE INDEX tags_uncounted_idx ON tags (id) WHERE usage_count = 0;

-- As hold_tags_alone, for who would rather come back later than keep others waiting.
CREATE FUNCTION try_to_hold_tags_alone() RETURNS boolean
LANGUAGE sql AS $$
    SELECT pg_try_advisory_xact_lock(x'74616773'::BIGINT)
$$;
