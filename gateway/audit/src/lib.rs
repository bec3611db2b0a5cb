//! What happened: the append-only log of entries.
