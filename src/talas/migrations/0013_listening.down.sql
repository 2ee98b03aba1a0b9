DROP TABLE follows;
SELECT drop_count('track_comments');
DROP TABLE track_comments;
DROP INDEX tracks_withheld_idx;
DROP INDEX track_likes_user_idx;
DROP TABLE track_plays_unfolded;
DROP TABLE track_plays;
