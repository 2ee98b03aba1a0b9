"""Where the files of people's gear lie in storage: each in a folder of its own."""

FOLDER = "files"
