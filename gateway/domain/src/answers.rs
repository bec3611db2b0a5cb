//! What nobody but the gateway says in an answer.

/// Whether a header of an answer is the gateway's own to say, whoever else would: an API behind, or a plugin. What belongs to one
/// hop (RFC 9110 section 7.6.1), what asks for or speaks of a credential, why it has refused, and what would lead callers past
/// it (RFC 7838). `name` is in lower case.
pub fn is_kept_from_answers(name: &str) -> bool {
    matches!(name, "keep-alive" | "proxy-connection" | "te" | "trailer" | "upgrade")
        || matches!(name, "proxy-authenticate" | "proxy-authentication-info" | "dpop-nonce" | "credential-expires")
        || matches!(name, "refusal-reason" | "alt-svc")
}
