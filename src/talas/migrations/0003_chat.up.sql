-- seq is the number of the newest event in a room or conversation. It is taken under the row's
-- lock, so that order of seq is order of commit. Rows are updated with every message: the free
-- space lets those updates stay on the same page, without touching an index.
CREATE TABLE rooms (
    id SERIAL PRIMARY KEY,
    name VARCHAR(100) NOT NULL,
    -- The name with its case folded by Unicode's rules, which lower() follows only where the
    -- database's locale does.
    name_key TEXT NOT NULL UNIQUE,
    description TEXT,
    is_private BOOLEAN NOT NULL DEFAULT false,
    created_by INT REFERENCES users (id),
    created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    seq BIGINT NOT NULL DEFAULT 0
) WITH (fillfactor = 60);

CREATE TABLE room_members (
    room_id INT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    user_id INT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role VARCHAR(20) NOT NULL DEFAULT 'member'
        CONSTRAINT room_members_role_known CHECK (role IN ('owner', 'moderator', 'member')),
    joined_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (room_id, user_id)
);

CREATE INDEX room_members_user_idx ON room_members (user_id);

CREATE TABLE conversations (
    id SERIAL PRIMARY KEY,
    user_low INT NOT NULL REFERENCES users (id),
    user_high INT NOT NULL REFERENCES users (id),
    seq BIGINT NOT NULL DEFAULT 0,
    CONSTRAINT conversations_pair_key UNIQUE (user_low, user_high),
    CONSTRAINT conversations_pair_ordered CHECK (user_low <= user_high)
) WITH (fillfactor = 60);

CREATE INDEX conversations_user_high_idx ON conversations (user_high);

CREATE TABLE messages (
    id SERIAL PRIMARY KEY,
    from_user INT NOT NULL REFERENCES users (id),
    to_user INT REFERENCES users (id),
    room VARCHAR(100),
    room_id INT REFERENCES rooms (id) ON DELETE CASCADE,
    conversation_id INT REFERENCES conversations (id) ON DELETE CASCADE,
    content TEXT NOT NULL,
    "timestamp" TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    seq BIGINT NOT NULL,
    client_id UUID,
    reply_to INT REFERENCES messages (id) ON DELETE SET NULL,
    CONSTRAINT messages_in_one_place CHECK (
        (room_id IS NOT NULL AND room IS NOT NULL AND conversation_id IS NULL AND to_user IS NULL)
        OR (room_id IS NULL AND room IS NULL AND conversation_id IS NOT NULL
            AND to_user IS NOT NULL)
    )
);

CREATE UNIQUE INDEX messages_room_seq_key ON messages (room_id, seq)
    WHERE room_id IS NOT NULL;
CREATE UNIQUE INDEX messages_conversation_seq_key ON messages (conversation_id, seq)
    WHERE conversation_id IS NOT NULL;
CREATE UNIQUE INDEX messages_once_key ON messages (from_user, client_id)
    WHERE client_id IS NOT NULL;
CREATE INDEX messages_room_id_idx ON messages (room_id, id) WHERE room_id IS NOT NULL;
CREATE INDEX messages_conversation_id_idx ON messages (conversation_id, id)
    WHERE conversation_id IS NOT NULL;
CREATE INDEX messages_room_timestamp_idx ON messages (room_id, "timestamp", id)
    WHERE room_id IS NOT NULL;
CREATE INDEX messages_conversation_timestamp_idx ON messages (conversation_id, "timestamp", id)
    WHERE conversation_id IS NOT NULL;
CREATE INDEX messages_reply_to_idx ON messages (reply_to) WHERE reply_to IS NOT NULL;

INSERT INTO rooms (name, name_key, description)
VALUES ('general', 'general', 'General discussion');
