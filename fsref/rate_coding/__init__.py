"""The rate-coded twin of an FS network, what FS coding is compared with (RATE)."""
