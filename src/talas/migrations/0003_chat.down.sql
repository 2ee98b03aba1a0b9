DROP TABLE messages;
DROP TABLE conversations;
DROP TABLE room_members;
DROP TABLE rooms;
