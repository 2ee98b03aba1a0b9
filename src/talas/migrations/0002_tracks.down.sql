DROP TABLE track_likes;
DROP TABLE track_tags;
DROP TABLE tags;
DROP TABLE tracks;
