//! Where control state is kept: the SQL adapters.
