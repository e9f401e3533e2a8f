"""The process that opens untrusted files of arrays; see ../array_files.py."""
