-- Who has opened how many rooms and groups is counted when they open another one.
CREATE INDEX rooms_creator_idx ON rooms (created_by, kind);

-- Words of a message, without case, accents and ligatures. ASCII takes the short way; beyond it
-- quotation marks, dashes and the like would be taken for letters. Scripts that put no spaces
-- between words are cut into pairs, once from the first character of a run and once from its
-- second, so that any two neighbours are a word; what ends a run stands alone in one of the two.
-- What it costs makes the planner ask the index rather than cut messages into words again.
CREATE OR REPLACE FUNCTION message_words(content TEXT) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST 1000 AS $$
DECLARE
    unspaced CONSTANT TEXT := '\u0e00-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff'
        '\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f';
    plain TEXT;
    runs TEXT;
BEGIN
    IF octet_length(content) = length(content) THEN
        RETURN to_tsvector('pg_catalog.simple', content);
    END IF;
    plain := regexp_replace(normalize(content, NFKD), '[\u0300-\u036f]', '', 'g');
    plain := translate(normalize(plain, NFC), 'øØđĐłŁ', 'oOdDlL');
    plain := replace(replace(plain, 'œ', 'oe'), 'Œ', 'OE');
    plain := replace(replace(plain, 'æ', 'ae'), 'Æ', 'AE');
    plain := replace(replace(plain, 'ß', 'ss'), 'ẞ', 'SS');
    plain := regexp_replace(
        plain, '[\u00a1-\u00bf\u2000-\u206f\u2e00-\u2e7f\u3000-\u3004\u3008-\u3040]+', ' ', 'g'
    );
    IF plain ~ ('[' || unspaced || ']') THEN
        runs := regexp_replace(plain, '[^' || unspaced || ']+', ' ', 'g');
        runs := regexp_replace(runs, '(?<![' || unspaced || '])[' || unspaced || ']', '\& ', 'g');
        plain := regexp_replace(
            plain || ' ' || runs, '[' || unspaced || ']{1,2}', ' \& ', 'g'
        );
    END IF;
    RETURN to_tsvector('pg_catalog.simple', plain);
END
$$;

-- Beside the old one, so that reading waits for a moment only.
CREATE INDEX messages_words_new ON messages USING gin (message_words(content))
    WITH (gin_pending_list_limit = 512);
DROP INDEX messages_words_idx;
ALTER INDEX messages_words_new RENAME TO messages_words_idx;
