DROP TABLE playlist_collaborators;
DROP TABLE playlist_tracks;
SELECT drop_count('playlists');
DROP TABLE playlists;
