"""Formats of documents and pictures, told by content. Nothing is decoded or unpacked."""
