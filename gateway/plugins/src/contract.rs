//! The contract between a plugin and the gateway, as `sdk-wasm/wit` has it.
//!
//! Within 1.x it only grows. What was published once is frozen beside it, so that a plugin of today still loads.

/// The contract that is current.
pub const WIT: &str = include_str!("../../../sdk-wasm/wit/plugin.wit");

/// What `abi` in a manifest says of it.
pub const ABI: &str = "portcullis:plugin@1.0";

/// The version that interfaces are named with.
const VERSION: &str = "1.0.0";

/// The package that interfaces are named in.
const PACKAGE: &str = "portcullis:plugin/";

/// The full name of one interface, such as `portcullis:plugin/kv@1.0.0`.
pub(crate) fn full(interface: &str) -> String {
    format!("{PACKAGE}{interface}@{VERSION}")
}

/// The interface of a full name, where it is one of 1.x.
pub(crate) fn interface(name: &str) -> Option<&str> {
    let (interface, version) = name.strip_prefix(PACKAGE)?.split_once('@')?;
    version.starts_with("1.").then_some(interface)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROZEN: &str = include_str!("../../../sdk-wasm/wit/v1.0/plugin.wit");

    #[test]
    fn while_1_0_is_current_the_contract_is_its_frozen_copy() {
        let head = |text: &str| text.lines().next().unwrap_or_default().to_owned();
        assert_eq!(head(FROZEN), "package portcullis:plugin@1.0.0;");
        if head(WIT) == head(FROZEN) {
            assert_eq!(WIT, FROZEN, "what was published is not changed: the next thing is 1.1");
        }
        assert!(head(WIT).contains(VERSION) && VERSION.starts_with(ABI.split('@').nth(1).unwrap()));
    }

    #[test]
    fn interfaces_are_known_by_their_full_names() {
        assert_eq!(interface(&full("kv")), Some("kv"));
        assert_eq!(interface("portcullis:plugin/kv@1.7.2"), Some("kv"));
        for other in ["portcullis:plugin/kv@2.0.0", "portcullis:plugin/kv", "wasi:cli/exit@0.2.0", "kv"] {
            assert_eq!(interface(other), None, "{other}");
        }
    }
}
