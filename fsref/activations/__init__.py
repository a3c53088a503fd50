"""What codes stand for, to which code a value goes, and the table that sends it there (FILE-3, FS-5)."""
