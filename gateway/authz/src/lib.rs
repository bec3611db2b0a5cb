//! May they do this? Cedar, and nothing of Cedar outside.
