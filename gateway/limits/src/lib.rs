//! How much may they use?.
