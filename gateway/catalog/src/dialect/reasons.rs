//! Every reason that a refusal can have, so that a dialect does not word one that there is not.

/// The tokens of `Refusal-Reason`, sorted.
pub(super) const REASONS: [&str; 75] = [
    "address_failures",
    "address_limited",
    "bad_path",
    "bad_request",
    "body_cut",
    "body_incomplete",
    "body_too_large",
    "busy",
    "checksum_mismatch",
    "chunk_signature_mismatch",
    "chunk_too_large",
    "chunks_malformed",
    "conflict",
    "credential_elsewhere",
    "credential_ended",
    "credential_expired",
    "credential_in_url",
    "credential_too_long",
    "cross_site",
    "forbidden",
    "gone",
    "head_late",
    "head_too_large",
    "https_required",
    "insufficient_scope",
    "internal",
    "invalid_body",
    "invalid_credentials",
    "invalid_dpop_proof",
    "invalid_parameter",
    "ip_not_allowed",
    "method_not_allowed",
    "no_permit",
    "no_signing_key",
    "not_found",
    "not_served",
    "other_resource",
    "path_too_long",
    "payload_mismatch",
    "payload_not_taken",
    "plain_http",
    "plugin_fault",
    "plugin_reply",
    "policy_error",
    "presigned_expired",
    "presigned_lifetime",
    "rate_limited",
    "request_time_skewed",
    "second_factor_required",
    "sign_in_again",
    "signature_malformed",
    "signature_mismatch",
    "signature_replayed",
    "suspended",
    "target_malformed",
    "tenant_header_missing",
    "tenant_header_repeated",
    "tenant_mismatch",
    "too_many_tries",
    "trailer_malformed",
    "two_credentials",
    "unauthenticated",
    "unavailable",
    "undocumented_parameter",
    "unknown_host",
    "unknown_path",
    "unknown_subresource",
    "unmapped_operation",
    "upstream_broken",
    "upstream_timeout",
    "upstream_unreachable",
    "use_dpop_nonce",
    "version_removed",
    "weak_password",
    "wrong_media_type",
];

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// What stands in a file before its tests.
    fn told(file: &Path) -> Vec<String> {
        let text = fs::read_to_string(file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let found = code.split("Told::new(").skip(1).filter_map(|it| it.trim_start().strip_prefix('"'));
        found.filter_map(|it| it.split('"').next()).map(str::to_owned).collect()
    }

    fn walk(folder: &Path, found: &mut Vec<String>) {
        for path in fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "tests" {
                walk(&path, found);
            } else if path.extension().is_some_and(|it| it == "rs") && !name.starts_with("test") {
                found.extend(told(&path));
            }
        }
    }

    #[test]
    fn every_reason_that_some_room_gives_is_known_here() {
        let mut found = Vec::new();
        for room in fs::read_dir("..").unwrap().map(|it| it.unwrap().path().join("src")).filter(|it| it.is_dir()) {
            walk(&room, &mut found);
        }
        assert!(found.len() > 30, "{found:?}");
        for it in found {
            assert!(REASONS.binary_search(&&*it).is_ok(), "`{it}` is not among the reasons");
        }
        assert!(REASONS.is_sorted());
    }
}
