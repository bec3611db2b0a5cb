//! The operator's listener: metrics, health, readiness.
