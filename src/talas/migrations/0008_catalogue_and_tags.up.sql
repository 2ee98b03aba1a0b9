-- What the catalogue's lists walk along, and what their search by a part of a text looks up.
CREATE INDEX products_name_idx ON products (lower(name), id) WHERE status = 'active';
CREATE INDEX products_price_idx ON products (price, id) WHERE status = 'active';
CREATE INDEX products_price_desc_idx ON products (price DESC NULLS LAST, id DESC)
    WHERE status = 'active';
CREATE INDEX products_brand_idx ON products (lower(brand), id DESC) WHERE status = 'active';
CREATE INDEX products_inactive_idx ON products (id DESC) WHERE status = 'inactive';
CREATE INDEX products_trigrams_idx ON products USING gin (
    trigrams(
        name || E'\n' || coalesce(brand, '') || E'\n' || coalesce(model, '')
    ) COLLATE "C"
) WITH (fastupdate = off);

-- One spelling for each tag: the composed one (Unicode NFC), as tags are compared from now on.
INSERT INTO tags (name)
SELECT DISTINCT normalize(name)
FROM tags
WHERE name IS NOT NFC NORMALIZED AND char_length(normalize(name)) <= 50
ON CONFLICT (name) DO NOTHING;

INSERT INTO track_tags (track_id, tag_id, position)
SELECT tt.track_id, composed.id, tt.position
FROM track_tags AS tt
JOIN tags AS g ON g.id = tt.tag_id
JOIN tags AS composed ON composed.name = normalize(g.name)
WHERE g.name IS NOT NFC NORMALIZED
ON CONFLICT (track_id, tag_id) DO NOTHING;

DELETE FROM tags
WHERE name IS NOT NFC NORMALIZED AND char_length(normalize(name)) <= 50;

-- A use counts when everybody may find the track. It is kept beside the use, so that a deletion
-- knows what it takes away when the track is gone already.
ALTER TABLE track_tags ADD COLUMN counted BOOLEAN NOT NULL DEFAULT false;

UPDATE track_tags AS tt
SET counted = true
FROM tracks AS t
WHERE t.id = tt.track_id AND t.status = 'ready' AND t.visibility = 'public';

ALTER TABLE tags
    ADD COLUMN usage_count INT NOT NULL DEFAULT 0,
    ADD COLUMN used BOOLEAN NOT NULL GENERATED ALWAYS AS (usage_count > 0) STORED;

UPDATE tags AS g
SET usage_count = uses.n
FROM (SELECT tag_id, count(*) AS n FROM track_tags WHERE counted GROUP BY tag_id) AS uses
WHERE uses.tag_id = g.id;

SELECT keep_count('tags', 'used');

CREATE INDEX tags_most_used_idx ON tags (usage_count DESC, name) WHERE usage_count > 0;
CREATE INDEX tags_prefix_idx ON tags (left(name, 1), usage_count DESC, name)
    WHERE usage_count > 0;

-- Whoever changes uses of tags shares this lock until the transaction ends; who merges, renames or
-- deletes tags has it alone.
CREATE FUNCTION share_tags() RETURNS void
LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock_shared(x'74616773'::BIGINT)
$$;

CREATE FUNCTION hold_tags_alone() RETURNS void
LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock(x'74616773'::BIGINT)
$$;

-- Everybody locks tags in the order of their ids, and before the uses of them.
CREATE FUNCTION count_tag_uses() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    ids INT[];
    changes INT[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg(tag_id), array_agg(n) INTO ids, changes
        FROM (SELECT tag_id, count(*) AS n FROM added WHERE counted GROUP BY tag_id) AS uses;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT array_agg(tag_id), array_agg(n) INTO ids, changes
        FROM (SELECT tag_id, -count(*) AS n FROM removed WHERE counted GROUP BY tag_id) AS uses;
    ELSE
        SELECT array_agg(tag_id), array_agg(n) INTO ids, changes
        FROM (
            SELECT tag_id, sum(n) AS n
            FROM (
                SELECT tag_id, 1 AS n FROM added WHERE counted
                UNION ALL
                SELECT tag_id, -1 FROM removed WHERE counted
            ) AS moved
            GROUP BY tag_id
            HAVING sum(n) <> 0
        ) AS uses;
    END IF;
    IF ids IS NOT NULL THEN
        PERFORM FROM tags WHERE id = ANY(ids) ORDER BY id FOR NO KEY UPDATE;
        UPDATE tags AS g
        SET usage_count = g.usage_count + uses.change
        FROM unnest(ids, changes) AS uses (tag_id, change)
        WHERE g.id = uses.tag_id;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER track_tags_added AFTER INSERT ON track_tags
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_tag_uses();
CREATE TRIGGER track_tags_removed AFTER DELETE ON track_tags
    REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION count_tag_uses();
CREATE TRIGGER track_tags_moved AFTER UPDATE ON track_tags
    REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_tag_uses();

-- The lock keeps the track as it is until the use can be seen by who changes it.
CREATE FUNCTION set_tag_use_counted() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.counted := coalesce((
        SELECT status = 'ready' AND visibility = 'public'
        FROM tracks
        WHERE id = NEW.track_id
        FOR SHARE
    ), false);
    RETURN NEW;
END
$$;

CREATE TRIGGER track_tags_counted BEFORE INSERT ON track_tags
    FOR EACH ROW EXECUTE FUNCTION set_tag_use_counted();

CREATE FUNCTION recount_tags_of_track() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM share_tags();
    PERFORM FROM tags
    WHERE id IN (
        SELECT tag_id FROM track_tags WHERE track_id = OLD.id AND (counted OR TG_OP = 'UPDATE')
    )
    ORDER BY id
    FOR NO KEY UPDATE;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    UPDATE track_tags
    SET counted = NEW.status = 'ready' AND NEW.visibility = 'public'
    WHERE track_id = NEW.id;
    RETURN NULL;
END
$$;

CREATE TRIGGER tracks_shown AFTER UPDATE OF status, visibility ON tracks
    FOR EACH ROW WHEN (
        (OLD.status = 'ready' AND OLD.visibility = 'public')
        <> (NEW.status = 'ready' AND NEW.visibility = 'public')
    )
    EXECUTE FUNCTION recount_tags_of_track();
CREATE TRIGGER tracks_leaving BEFORE DELETE ON tracks
    FOR EACH ROW EXECUTE FUNCTION recount_tags_of_track();

-- Two names that differ by at most two letters added, left out or replaced share a key: the first
-- seven letters with at most two of them left out (the symmetric deletes of SymSpell).
CREATE FUNCTION spelling_keys(name TEXT) RETURNS TEXT[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    WITH whole (letters) AS (
        SELECT left(name, 7)
    ), less_one AS (
        SELECT letters FROM whole
        UNION
        SELECT overlay(letters PLACING '' FROM i FOR 1)
        FROM whole, generate_series(1, char_length(letters)) AS i
    ), less_two AS (
        SELECT letters FROM less_one
        UNION
        SELECT overlay(letters PLACING '' FROM i FOR 1)
        FROM less_one, generate_series(1, char_length(letters)) AS i
    )
    SELECT array_agg(letters) FROM less_two
$$;

-- Apart from tags, whose rows are written anew whenever a count changes.
CREATE TABLE tag_spellings (
    tag_id INT PRIMARY KEY REFERENCES tags (id) ON DELETE CASCADE,
    keys TEXT[] NOT NULL
);

INSERT INTO tag_spellings (tag_id, keys)
SELECT id, spelling_keys(name)
FROM tags;

CREATE INDEX tag_spellings_keys_idx ON tag_spellings USING gin (keys) WITH (fastupdate = off);

CREATE FUNCTION spell_tag() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tag_spellings (tag_id, keys)
    VALUES (NEW.id, spelling_keys(NEW.name))
    ON CONFLICT (tag_id) DO UPDATE SET keys = excluded.keys;
    RETURN NULL;
END
$$;

CREATE TRIGGER tags_spelt AFTER INSERT OR UPDATE OF name ON tags
    FOR EACH ROW EXECUTE FUNCTION spell_tag();
