-- How many rows a table has, by the columns that lists filter on. counts holds the sums so far,
-- count_changes what came since. Writers only append, so that none ever waits for another; what
-- they append commits and rolls back with them. talas.core.counts reads both, and folds.
CREATE TABLE counts (
    relation TEXT NOT NULL,
    key JSONB NOT NULL,
    total BIGINT NOT NULL,
    PRIMARY KEY (relation, key)
);

-- Emptied as often as it fills, and read by every count.
CREATE TABLE count_changes (
    relation TEXT NOT NULL,
    key JSONB NOT NULL,
    change BIGINT NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

CREATE INDEX count_changes_key_idx ON count_changes (relation, key);

-- Counts the rows of a table from now on, by its key columns. One statement that adds or removes
-- a million rows appends one change for each key. The table has a trigger function of its own,
-- so that what it runs is planned once in a session.
CREATE FUNCTION keep_count(relation TEXT, VARIADIC key_columns TEXT[]) RETURNS void
LANGUAGE plpgsql AS $keep$
DECLARE
    -- With %s for the row: jsonb_build_object('role', r.role, 'status', r.status).
    key TEXT := (
        SELECT 'jsonb_build_object(' || string_agg(format('%L, %%1$s.%I', c, c), ', ') || ')'
        FROM unnest(key_columns) AS c
    );
    columns TEXT := (SELECT string_agg(quote_ident(c), ', ') FROM unnest(key_columns) AS c);
    moved TEXT := (
        SELECT string_agg(format('OLD.%1$I IS DISTINCT FROM NEW.%1$I', c), ' OR ')
        FROM unnest(key_columns) AS c
    );
BEGIN
    EXECUTE format(
        $create$
        CREATE FUNCTION %1$I() RETURNS trigger LANGUAGE plpgsql AS $body$
        BEGIN
            IF TG_OP = 'INSERT' THEN
                INSERT INTO count_changes
                SELECT %2$L, %3$s, count(*) FROM added AS r GROUP BY %6$s;
            ELSIF TG_OP = 'DELETE' THEN
                INSERT INTO count_changes
                SELECT %2$L, %3$s, -count(*) FROM removed AS r GROUP BY %6$s;
            ELSIF TG_OP = 'UPDATE' THEN
                INSERT INTO count_changes VALUES (%2$L, %4$s, -1), (%2$L, %5$s, 1);
            ELSE
                INSERT INTO count_changes
                SELECT relation, key, -sum(n)
                FROM (
                    SELECT relation, key, total FROM counts
                    UNION ALL
                    SELECT relation, key, change FROM count_changes
                ) AS known (relation, key, n)
                WHERE relation = %2$L
                GROUP BY relation, key;
            END IF;
            RETURN NULL;
        END
        $body$
        $create$,
        'count_' || relation, relation,
        format(key, 'r'), format(key, 'OLD'), format(key, 'NEW'), columns
    );
    EXECUTE format(
        $create$
        CREATE TRIGGER count_added AFTER INSERT ON %1$I
            REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION %2$I();
        CREATE TRIGGER count_removed AFTER DELETE ON %1$I
            REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION %2$I();
        CREATE TRIGGER count_emptied AFTER TRUNCATE ON %1$I
            FOR EACH STATEMENT EXECUTE FUNCTION %2$I();
        CREATE TRIGGER count_moved AFTER UPDATE OF %3$s ON %1$I
            FOR EACH ROW WHEN (%4$s) EXECUTE FUNCTION %2$I();
        INSERT INTO counts SELECT %5$L, %6$s, count(*) FROM %1$I AS r GROUP BY %3$s;
        $create$,
        relation, 'count_' || relation, columns, moved, relation, format(key, 'r')
    );
END
$keep$;

CREATE FUNCTION drop_count(relation TEXT) RETURNS void
LANGUAGE plpgsql AS $drop$
BEGIN
    EXECUTE format('DROP FUNCTION %I() CASCADE', 'count_' || relation);
    DELETE FROM counts AS c WHERE c.relation = drop_count.relation;
    DELETE FROM count_changes AS c WHERE c.relation = drop_count.relation;
END
$drop$;

SELECT keep_count('users', 'role', 'status');
SELECT keep_count('tracks', 'visibility', 'status');
SELECT keep_count('rooms', 'is_private');
SELECT keep_count('room_members', 'room_id');
SELECT keep_count('products', 'category_id', 'status');
SELECT keep_count('user_products', 'status');
SELECT keep_count('files', 'type');
SELECT keep_count('product_docs', 'type');
SELECT keep_count('audit_log', 'actor_id', 'action', 'target_type');
SELECT keep_count('reports', 'status', 'target_type');

-- What lists walk along, and what their searches by a part of a text look up.

-- Every run of three characters of a text, case ignored. A text that contains a term has all of
-- the term's runs, and a GIN index finds those texts; pg_trgm is not everywhere. The cost keeps
-- the planner from calling it for every row of a table. COLLATE "C", because runs are only told
-- apart: a query finds the index by saying the same.
CREATE FUNCTION trigrams(given TEXT) RETURNS TEXT[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 10000 AS $$
DECLARE
    folded TEXT := lower(given);
    found TEXT[] := '{}';
BEGIN
    FOR place IN 1 .. length(folded) - 2 LOOP
        found[place] := substr(folded, place, 3);
    END LOOP;
    RETURN found;
END
$$;

CREATE INDEX users_active_idx ON users (id) WHERE status = 'active';
CREATE INDEX users_trigrams_idx ON users USING gin (
    trigrams(
        username || E'\n' || email || E'\n'
        || coalesce(first_name, '') || ' ' || coalesce(last_name, '')
    ) COLLATE "C"
) WITH (gin_pending_list_limit = 1024);

DROP INDEX tracks_user_idx;
CREATE INDEX tracks_shared_idx ON tracks (user_id, id DESC)
    WHERE status = 'ready' AND visibility = 'public';
CREATE INDEX tracks_unshared_idx ON tracks (user_id, id DESC)
    WHERE NOT (status = 'ready' AND visibility = 'public');
CREATE INDEX tracks_trigrams_idx ON tracks USING gin (
    trigrams(title || E'\n' || artist) COLLATE "C"
) WITH (gin_pending_list_limit = 1024);

CREATE INDEX rooms_public_idx ON rooms (id) WHERE NOT is_private;
CREATE INDEX rooms_trigrams_idx ON rooms USING gin (
    trigrams(name || E'\n' || coalesce(description, '')) COLLATE "C"
) WITH (gin_pending_list_limit = 1024);
