//! Which API is this, and is it asked properly?.
