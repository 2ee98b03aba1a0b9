-- Plays that no worker has folded yet.
UPDATE tracks AS t
SET plays = t.plays + heard.plays
FROM (SELECT track_id, count(*) AS plays FROM track_plays_unfolded GROUP BY track_id) AS heard
WHERE t.id = heard.track_id;
DROP FUNCTION count_shared_tracks CASCADE;
DELETE FROM counts WHERE relation = 'shared_tracks';
DELETE FROM count_changes WHERE relation = 'shared_tracks';
DROP FUNCTION set_published_at CASCADE;
ALTER TABLE tracks DROP COLUMN published_at;
DROP FUNCTION unfollow_blocked CASCADE;
DROP FUNCTION set_follower_active CASCADE;
SELECT drop_count('follows');
DROP TABLE follows;
SELECT drop_count('track_comments');
DROP TABLE track_comments;
DROP INDEX tracks_withheld_idx;
DROP INDEX track_likes_user_idx;
DROP TABLE track_plays_unfolded;
DROP TABLE track_plays;
