DROP INDEX messages_words_idx;

CREATE OR REPLACE FUNCTION message_words(content TEXT) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 1000 AS $$
    SELECT to_tsvector(
        'pg_catalog.simple',
        CASE
            WHEN octet_length(content) = length(content) THEN content
            ELSE regexp_replace(
                regexp_replace(normalize(content, NFKD), '[\u0300-\u036f]', '', 'g'),
                '[\u00a1-\u00bf\u2000-\u206f\u2e00-\u2e7f\u3000-\u303f]+', ' ', 'g'
            )
        END
    )
$$;

CREATE INDEX messages_words_idx ON messages USING gin (message_words(content))
    WITH (gin_pending_list_limit = 512);
DROP INDEX rooms_creator_idx;
