DROP TRIGGER user_blocks_end_collaboration ON user_blocks;
DROP FUNCTION end_collaboration_of_blocked();
DROP TABLE playlist_collaborators;
DROP TABLE playlist_tracks;
SELECT drop_count('playlists');
DROP TABLE playlists;
