-- A group is a room without a public name, a deleted one waits for its messages to be removed.
ALTER TABLE rooms
    ADD COLUMN kind VARCHAR(10) NOT NULL DEFAULT 'room'
        CONSTRAINT rooms_kind_known CHECK (kind IN ('room', 'group', 'deleted')),
    ADD COLUMN title VARCHAR(100),
    ADD COLUMN slow_mode_s INT NOT NULL DEFAULT 0,
    -- From where on a member sees what was said: all of it, or what came after joining.
    ADD COLUMN history VARCHAR(10) NOT NULL DEFAULT 'start'
        CONSTRAINT rooms_history_known CHECK (history IN ('start', 'joining')),
    ADD COLUMN closed_at TIMESTAMPTZ;

ALTER TABLE room_members
    -- The room's seq when the member came.
    ADD COLUMN joined_seq BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN read_seq BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN muted_until TIMESTAMPTZ,
    -- Kept only in rooms with slow mode.
    ADD COLUMN spoke_at TIMESTAMPTZ;

-- The owner, then moderators, then members, each by when they came.
CREATE INDEX room_members_order_idx ON room_members (room_id, role DESC, joined_at, user_id);

-- Until when those are muted who left meanwhile: leaving and coming back ends no mute.
CREATE TABLE room_mutes (
    room_id INT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    user_id INT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    muted_until TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (room_id, user_id)
);
CREATE INDEX room_mutes_user_idx ON room_mutes (user_id);
CREATE INDEX room_mutes_muted_until_idx ON room_mutes (muted_until);

-- What was said before there were marks counts as read.
UPDATE room_members AS m
SET read_seq = r.seq
FROM rooms AS r
WHERE r.id = m.room_id AND r.seq > 0;

-- Who was removed by a moderator comes back only when invited.
CREATE TABLE room_removals (
    room_id INT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    user_id INT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    removed_by INT NOT NULL REFERENCES users (id),
    removed_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (room_id, user_id)
);
CREATE INDEX room_removals_user_idx ON room_removals (user_id);

CREATE TABLE room_invites (
    id SERIAL PRIMARY KEY,
    room_id INT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    created_by INT NOT NULL REFERENCES users (id),
    token_hash BYTEA NOT NULL UNIQUE,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    expires_at TIMESTAMPTZ NOT NULL,
    max_uses INT,
    uses INT NOT NULL DEFAULT 0
);
CREATE INDEX room_invites_room_idx ON room_invites (room_id, id);
CREATE INDEX room_invites_expires_at_idx ON room_invites (expires_at);

CREATE TABLE user_blocks (
    blocker_id INT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    blocked_id INT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (blocker_id, blocked_id),
    CONSTRAINT user_blocks_not_oneself CHECK (blocker_id <> blocked_id)
);
CREATE INDEX user_blocks_blocked_idx ON user_blocks (blocked_id);

CREATE TABLE conversation_reads (
    conversation_id INT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    user_id INT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    read_seq BIGINT NOT NULL,
    PRIMARY KEY (conversation_id, user_id)
);
CREATE INDEX conversation_reads_user_idx ON conversation_reads (user_id);

INSERT INTO conversation_reads (conversation_id, user_id, read_seq)
SELECT id, user_low, seq FROM conversations WHERE seq > 0
UNION
SELECT id, user_high, seq FROM conversations WHERE seq > 0;

CREATE TABLE chat_preferences (
    user_id INT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    -- Whether the other side of a conversation learns what was read.
    share_reads BOOLEAN NOT NULL DEFAULT true,
    email_digest BOOLEAN NOT NULL DEFAULT true
);

ALTER TABLE messages
    ADD COLUMN edited_at TIMESTAMPTZ,
    -- What a deleted message said is gone; the row is its tombstone.
    ADD COLUMN deleted_at TIMESTAMPTZ,
    ADD COLUMN pinned_at TIMESTAMPTZ,
    -- As shown with the message: [{"type": "file" or "track", "id", ...}].
    ADD COLUMN attachments JSONB,
    ADD COLUMN mentions INT[];

CREATE INDEX messages_room_pinned_idx ON messages (room_id, pinned_at)
    WHERE pinned_at IS NOT NULL AND room_id IS NOT NULL;
CREATE INDEX messages_conversation_pinned_idx ON messages (conversation_id, pinned_at)
    WHERE pinned_at IS NOT NULL AND conversation_id IS NOT NULL;

-- What happens in a room or conversation beside messages. Each takes a seq of its place, so that
-- messages and events of a place together are 1, 2, 3 and so on.
CREATE TABLE chat_events (
    id BIGSERIAL PRIMARY KEY,
    room_id INT REFERENCES rooms (id) ON DELETE CASCADE,
    conversation_id INT REFERENCES conversations (id) ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    kind VARCHAR(20) NOT NULL,
    actor_id INT NOT NULL REFERENCES users (id),
    message_id INT REFERENCES messages (id) ON DELETE CASCADE,
    data JSONB,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT chat_events_in_one_place CHECK ((room_id IS NULL) <> (conversation_id IS NULL))
);
CREATE UNIQUE INDEX chat_events_room_seq_key ON chat_events (room_id, seq)
    WHERE room_id IS NOT NULL;
CREATE UNIQUE INDEX chat_events_conversation_seq_key ON chat_events (conversation_id, seq)
    WHERE conversation_id IS NOT NULL;
CREATE INDEX chat_events_message_idx ON chat_events (message_id) WHERE message_id IS NOT NULL;

-- What an edited message said before.
CREATE TABLE message_edits (
    id BIGSERIAL PRIMARY KEY,
    message_id INT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    content TEXT NOT NULL,
    edited_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX message_edits_message_idx ON message_edits (message_id, id);

CREATE TABLE message_reactions (
    message_id INT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    emoji VARCHAR(64) NOT NULL,
    user_id INT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (message_id, emoji, user_id)
);
CREATE INDEX message_reactions_user_idx ON message_reactions (user_id);

CREATE TABLE message_mentions (
    user_id INT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    message_id INT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    PRIMARY KEY (user_id, message_id)
);
CREATE INDEX message_mentions_message_idx ON message_mentions (message_id);

CREATE TABLE chat_uploads (
    id SERIAL PRIMARY KEY,
    user_id INT NOT NULL REFERENCES users (id),
    name VARCHAR(255) NOT NULL,
    media_type VARCHAR(100) NOT NULL,
    kind VARCHAR(10) NOT NULL
        CONSTRAINT chat_uploads_kind_known CHECK (kind IN ('image', 'audio', 'document')),
    size BIGINT NOT NULL,
    content_hash VARCHAR(64) NOT NULL,
    storage_key TEXT NOT NULL UNIQUE,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX chat_uploads_user_idx ON chat_uploads (user_id, id);
CREATE INDEX chat_uploads_created_at_idx ON chat_uploads (created_at);

CREATE TABLE message_uploads (
    message_id INT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    upload_id INT NOT NULL REFERENCES chat_uploads (id),
    PRIMARY KEY (message_id, upload_id)
);
CREATE INDEX message_uploads_upload_idx ON message_uploads (upload_id);

CREATE TABLE notifications (
    id BIGSERIAL PRIMARY KEY,
    user_id INT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind VARCHAR(20) NOT NULL
        CONSTRAINT notifications_kind_known
        CHECK (kind IN ('dm', 'mention', 'reply', 'invitation')),
    actor_id INT NOT NULL REFERENCES users (id),
    room_id INT REFERENCES rooms (id) ON DELETE CASCADE,
    message_id INT REFERENCES messages (id) ON DELETE CASCADE,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    read_at TIMESTAMPTZ,
    mailed_at TIMESTAMPTZ
);
CREATE UNIQUE INDEX notifications_message_key ON notifications (user_id, message_id)
    WHERE message_id IS NOT NULL;
CREATE INDEX notifications_user_idx ON notifications (user_id, id);
CREATE INDEX notifications_unread_idx ON notifications (user_id, id) WHERE read_at IS NULL;
CREATE INDEX notifications_unmailed_idx ON notifications (user_id, created_at)
    WHERE read_at IS NULL AND mailed_at IS NULL;
CREATE INDEX notifications_created_at_idx ON notifications (created_at);
CREATE INDEX notifications_message_idx ON notifications (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX notifications_room_idx ON notifications (room_id) WHERE room_id IS NOT NULL;

-- Who is here, said by each chat process of its own sockets; what a process said counts as long as
-- it is seen. Not worth a journal: after a crash of the database each process says it again.
CREATE UNLOGGED TABLE chat_nodes (
    id UUID PRIMARY KEY,
    seen_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
-- room_id 0: an open socket; else one that has joined the room.
CREATE UNLOGGED TABLE chat_presence (
    node_id UUID NOT NULL REFERENCES chat_nodes (id) ON DELETE CASCADE,
    room_id INT NOT NULL,
    user_id INT NOT NULL,
    PRIMARY KEY (room_id, user_id, node_id)
);
CREATE INDEX chat_presence_node_idx ON chat_presence (node_id);

-- Words of a message, without case and accents. ASCII takes the short way; beyond it quotation
-- marks, dashes and the like would be taken for letters. What it costs makes the planner ask the
-- index rather than cut messages into words again.
CREATE FUNCTION message_words(content TEXT) RETURNS tsvector
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

SELECT drop_count('rooms');
SELECT keep_count('rooms', 'is_private', 'kind');

DROP TRIGGER search_rooms_updated ON rooms;
CREATE TRIGGER search_rooms_updated
    AFTER UPDATE OF name, description, is_private, kind ON rooms
    FOR EACH ROW WHEN (
        (OLD.name, OLD.description, OLD.is_private, OLD.kind)
        IS DISTINCT FROM
        (NEW.name, NEW.description, NEW.is_private, NEW.kind)
    )
    EXECUTE FUNCTION search_row_changed('rooms');

DROP INDEX rooms_public_idx;
CREATE INDEX rooms_public_idx ON rooms (id) WHERE NOT is_private AND kind = 'room';
CREATE INDEX rooms_deleted_idx ON rooms (id) WHERE kind = 'deleted';
