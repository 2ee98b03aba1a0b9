DELETE FROM rooms WHERE kind = 'deleted';

DROP TABLE chat_presence;
DROP TABLE chat_nodes;
DROP TABLE notifications;
DROP TABLE message_uploads;
DROP TABLE chat_uploads;
DROP TABLE message_mentions;
DROP TABLE message_reactions;
DROP TABLE message_edits;
DROP TABLE chat_events;
DROP TABLE chat_preferences;
DROP TABLE conversation_reads;
DROP TABLE user_blocks;
DROP TABLE room_invites;
DROP TABLE room_removals;
DROP TABLE room_mutes;
DROP INDEX room_members_order_idx;

DROP INDEX messages_words_idx;
DROP FUNCTION message_words(TEXT);
ALTER TABLE messages
    DROP COLUMN edited_at,
    DROP COLUMN deleted_at,
    DROP COLUMN pinned_at,
    DROP COLUMN attachments,
    DROP COLUMN mentions;
ALTER TABLE room_members
    DROP COLUMN joined_seq,
    DROP COLUMN read_seq,
    DROP COLUMN muted_until,
    DROP COLUMN spoke_at;

DROP TRIGGER search_rooms_updated ON rooms;
CREATE TRIGGER search_rooms_updated
    AFTER UPDATE OF name, description, is_private ON rooms
    FOR EACH ROW WHEN (
        (OLD.name, OLD.description, OLD.is_private)
        IS DISTINCT FROM
        (NEW.name, NEW.description, NEW.is_private)
    )
    EXECUTE FUNCTION search_row_changed('rooms');

DROP INDEX rooms_deleted_idx;
DROP INDEX rooms_public_idx;
CREATE INDEX rooms_public_idx ON rooms (id) WHERE NOT is_private;
SELECT drop_count('rooms');
SELECT keep_count('rooms', 'is_private');
ALTER TABLE rooms
    DROP COLUMN kind,
    DROP COLUMN title,
    DROP COLUMN slow_mode_s,
    DROP COLUMN history,
    DROP COLUMN closed_at;
