//! Tenants, their keys, and the life of a key.
