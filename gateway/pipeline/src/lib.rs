//! The life of a request: decide, shape, settle.
