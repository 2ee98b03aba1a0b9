-- The search index is a copy. Whatever changes what it shows is named in search_intake by the
-- transaction that changes it; who feeds an index moves the names on to search_log, where their
-- positions follow the order of the commits. Without a key and an index, the intake makes no
-- transaction wait for another.
CREATE TABLE search_intake (
    kind TEXT NOT NULL,
    id INT NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

CREATE TABLE search_log (
    position BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    id INT NOT NULL,
    moved_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX search_log_moved_at_idx ON search_log (moved_at);

-- Which database this is, how far its log goes, and up to where the log has been forgotten.
CREATE TABLE search_source (
    only_row BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row),
    identity UUID NOT NULL DEFAULT gen_random_uuid(),
    position BIGINT NOT NULL DEFAULT 0,
    forgotten BIGINT NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

INSERT INTO search_source DEFAULT VALUES;

CREATE FUNCTION search_rows_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO search_intake (kind, id)
    SELECT TG_ARGV[0], id FROM changed;
    RETURN NULL;
END
$$;

CREATE FUNCTION search_row_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO search_intake (kind, id)
    VALUES (TG_ARGV[0], NEW.id);
    RETURN NULL;
END
$$;

-- An identity of its own is a database that no index knows: all are built anew.
CREATE FUNCTION search_all_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE search_source SET identity = gen_random_uuid();
    RETURN NULL;
END
$$;

-- Insertions and deletions are noted by the statement, so that a COPY of a million rows pays for
-- one more. Updates are noted by the row, since only so can a trigger be left out when none of its
-- columns is set, as it is when a message advances rooms.seq.

CREATE TRIGGER search_users_inserted
    AFTER INSERT ON users
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION search_rows_changed('users');
CREATE TRIGGER search_users_deleted
    AFTER DELETE ON users
    REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION search_rows_changed('users');
CREATE TRIGGER search_users_updated
    AFTER UPDATE OF username, email, first_name, last_name, bio, status ON users
    FOR EACH ROW WHEN (
        (OLD.username, OLD.email, OLD.first_name, OLD.last_name, OLD.bio, OLD.status)
        IS DISTINCT FROM
        (NEW.username, NEW.email, NEW.first_name, NEW.last_name, NEW.bio, NEW.status)
    )
    EXECUTE FUNCTION search_row_changed('users');

CREATE FUNCTION search_username_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO search_intake (kind, id)
    SELECT 'tracks', t.id FROM tracks AS t WHERE t.user_id = NEW.id;
    RETURN NULL;
END
$$;

CREATE TRIGGER search_users_renamed
    AFTER UPDATE OF username ON users
    FOR EACH ROW WHEN (OLD.username IS DISTINCT FROM NEW.username)
    EXECUTE FUNCTION search_username_changed();

CREATE TRIGGER search_products_inserted
    AFTER INSERT ON products
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION search_rows_changed('products');
CREATE TRIGGER search_products_deleted
    AFTER DELETE ON products
    REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION search_rows_changed('products');
CREATE TRIGGER search_products_updated
    AFTER UPDATE OF name, brand, model, category_id, description, status ON products
    FOR EACH ROW WHEN (
        (OLD.name, OLD.brand, OLD.model, OLD.category_id, OLD.description, OLD.status)
        IS DISTINCT FROM
        (NEW.name, NEW.brand, NEW.model, NEW.category_id, NEW.description, NEW.status)
    )
    EXECUTE FUNCTION search_row_changed('products');

CREATE FUNCTION search_product_renamed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO search_intake (kind, id)
    SELECT 'files', f.id
    FROM user_products AS up
    JOIN files AS f ON f.product_id = up.id
    WHERE up.product_id = NEW.id;
    RETURN NULL;
END
$$;

CREATE TRIGGER search_products_renamed
    AFTER UPDATE OF name ON products
    FOR EACH ROW WHEN (OLD.name IS DISTINCT FROM NEW.name)
    EXECUTE FUNCTION search_product_renamed();

CREATE FUNCTION search_category_renamed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO search_intake (kind, id)
    SELECT 'products', p.id FROM products AS p WHERE p.category_id = NEW.id;
    RETURN NULL;
END
$$;

CREATE TRIGGER search_categories_renamed
    AFTER UPDATE OF name ON categories
    FOR EACH ROW WHEN (OLD.name IS DISTINCT FROM NEW.name)
    EXECUTE FUNCTION search_category_renamed();

-- A product's place among the results follows how many own it.
CREATE FUNCTION search_owners_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO search_intake (kind, id)
    SELECT DISTINCT 'products', product_id FROM changed;
    RETURN NULL;
END
$$;

CREATE TRIGGER search_user_products_inserted
    AFTER INSERT ON user_products
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION search_owners_changed();
CREATE TRIGGER search_user_products_deleted
    AFTER DELETE ON user_products
    REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION search_owners_changed();

CREATE FUNCTION search_gear_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO search_intake (kind, id)
    SELECT 'files', f.id FROM files AS f WHERE f.product_id = NEW.id
    UNION ALL
    VALUES ('products', OLD.product_id), ('products', NEW.product_id);
    RETURN NULL;
END
$$;

CREATE TRIGGER search_user_products_updated
    AFTER UPDATE OF user_id, product_id ON user_products
    FOR EACH ROW WHEN (
        (OLD.user_id, OLD.product_id) IS DISTINCT FROM (NEW.user_id, NEW.product_id)
    )
    EXECUTE FUNCTION search_gear_changed();

CREATE TRIGGER search_files_inserted
    AFTER INSERT ON files
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION search_rows_changed('files');
CREATE TRIGGER search_files_deleted
    AFTER DELETE ON files
    REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION search_rows_changed('files');
CREATE TRIGGER search_files_updated
    AFTER UPDATE OF product_id, filename, type ON files
    FOR EACH ROW WHEN (
        (OLD.product_id, OLD.filename, OLD.type)
        IS DISTINCT FROM
        (NEW.product_id, NEW.filename, NEW.type)
    )
    EXECUTE FUNCTION search_row_changed('files');

-- A person's place among the results follows how many tracks of theirs everybody may find.
CREATE FUNCTION search_tracks_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO search_intake (kind, id)
    SELECT 'tracks', id FROM changed
    UNION ALL
    (
        SELECT DISTINCT 'users', user_id FROM changed
        WHERE status = 'ready' AND visibility = 'public'
    );
    RETURN NULL;
END
$$;

CREATE FUNCTION search_track_owner_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO search_intake (kind, id)
    VALUES ('users', OLD.user_id), ('users', NEW.user_id);
    RETURN NULL;
END
$$;

CREATE TRIGGER search_tracks_inserted
    AFTER INSERT ON tracks
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION search_tracks_changed();
CREATE TRIGGER search_tracks_deleted
    AFTER DELETE ON tracks
    REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION search_tracks_changed();
CREATE TRIGGER search_tracks_shown
    AFTER UPDATE OF user_id, visibility, status ON tracks
    FOR EACH ROW WHEN (
        (OLD.user_id, OLD.visibility, OLD.status)
        IS DISTINCT FROM
        (NEW.user_id, NEW.visibility, NEW.status)
    )
    EXECUTE FUNCTION search_track_owner_changed();
-- Counts move a track among the results when they pass a power of two: a XOR b is above a AND b
-- exactly when their highest bits differ.
CREATE TRIGGER search_tracks_updated
    AFTER UPDATE OF user_id, title, artist, description, visibility, status, license, duration_ms,
        bpm, key, album, genre, plays, likes ON tracks
    FOR EACH ROW WHEN (
        (OLD.user_id, OLD.title, OLD.artist, OLD.description, OLD.visibility, OLD.status,
            OLD.license, OLD.duration_ms, OLD.bpm, OLD.key, OLD.album, OLD.genre)
        IS DISTINCT FROM
        (NEW.user_id, NEW.title, NEW.artist, NEW.description, NEW.visibility, NEW.status,
            NEW.license, NEW.duration_ms, NEW.bpm, NEW.key, NEW.album, NEW.genre)
        OR (OLD.plays # NEW.plays) > (OLD.plays & NEW.plays)
        OR (OLD.likes # NEW.likes) > (OLD.likes & NEW.likes)
    )
    EXECUTE FUNCTION search_row_changed('tracks');

CREATE FUNCTION search_track_tags_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO search_intake (kind, id)
    SELECT DISTINCT 'tracks', track_id FROM changed;
    RETURN NULL;
END
$$;

CREATE TRIGGER search_track_tags_inserted
    AFTER INSERT ON track_tags
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION search_track_tags_changed();
CREATE TRIGGER search_track_tags_updated
    AFTER UPDATE ON track_tags
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION search_track_tags_changed();
CREATE TRIGGER search_track_tags_deleted
    AFTER DELETE ON track_tags
    REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION search_track_tags_changed();

CREATE FUNCTION search_tag_renamed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO search_intake (kind, id)
    SELECT 'tracks', tt.track_id FROM track_tags AS tt WHERE tt.tag_id = NEW.id;
    RETURN NULL;
END
$$;

CREATE TRIGGER search_tags_renamed
    AFTER UPDATE OF name ON tags
    FOR EACH ROW WHEN (OLD.name IS DISTINCT FROM NEW.name)
    EXECUTE FUNCTION search_tag_renamed();

CREATE TRIGGER search_rooms_inserted
    AFTER INSERT ON rooms
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION search_rows_changed('rooms');
CREATE TRIGGER search_rooms_deleted
    AFTER DELETE ON rooms
    REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION search_rows_changed('rooms');
CREATE TRIGGER search_rooms_updated
    AFTER UPDATE OF name, description, is_private ON rooms
    FOR EACH ROW WHEN (
        (OLD.name, OLD.description, OLD.is_private)
        IS DISTINCT FROM
        (NEW.name, NEW.description, NEW.is_private)
    )
    EXECUTE FUNCTION search_row_changed('rooms');

CREATE FUNCTION search_members_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO search_intake (kind, id)
    SELECT DISTINCT 'rooms', room_id FROM changed;
    RETURN NULL;
END
$$;

CREATE TRIGGER search_room_members_inserted
    AFTER INSERT ON room_members
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION search_members_changed();
CREATE TRIGGER search_room_members_deleted
    AFTER DELETE ON room_members
    REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION search_members_changed();

CREATE TRIGGER search_users_truncated AFTER TRUNCATE ON users
    FOR EACH STATEMENT EXECUTE FUNCTION search_all_changed();
CREATE TRIGGER search_products_truncated AFTER TRUNCATE ON products
    FOR EACH STATEMENT EXECUTE FUNCTION search_all_changed();
CREATE TRIGGER search_files_truncated AFTER TRUNCATE ON files
    FOR EACH STATEMENT EXECUTE FUNCTION search_all_changed();
CREATE TRIGGER search_tracks_truncated AFTER TRUNCATE ON tracks
    FOR EACH STATEMENT EXECUTE FUNCTION search_all_changed();
CREATE TRIGGER search_rooms_truncated AFTER TRUNCATE ON rooms
    FOR EACH STATEMENT EXECUTE FUNCTION search_all_changed();
