//! What an operator may write about plugins.

use serde::{Deserialize, Serialize};

const KIB: u32 = 1024;
const MIB: u32 = 1024 * KIB;

/// The table `[plugins]` of the settings file: what a plugin may use at most. A manifest may ask for less.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PluginSettings {
    /// How long a component may be, in bytes.
    pub component_bytes: u32,
    /// How much linear memory a guest may have, in bytes.
    pub memory_bytes: u32,
    /// How deep a guest may call, in bytes of stack.
    pub stack_bytes: u32,
    /// How many tables a guest may have.
    pub tables: u32,
    /// How many elements each of them may have.
    pub table_elements: u32,
    /// How long one hook may compute, in milliseconds of a processor.
    pub cpu_ms: u32,
    /// How long `configure` may compute when a plugin is taken in, in milliseconds.
    pub configure_ms: u32,
    /// How much a guest may hand over in one call to the gateway, or in what it returns, in bytes.
    pub hostcall_bytes: u32,
    /// How many headers one verdict may change.
    pub header_ops: u32,
    /// How long their names and values may be together, in bytes.
    pub header_bytes: u32,
    /// How long the body of a reply of its own may be, in bytes.
    pub reply_bytes: u32,
    /// How many findings one request may have of a plugin.
    pub findings: u32,
    /// How many lines a plugin may log for one request.
    pub log_lines: u32,
    /// How many bytes these may have together.
    pub log_bytes: u32,
    /// How many lines a plugin may log in a second, over all its requests.
    pub log_lines_per_second: u32,
    /// How long a key of `kv` may be, in bytes.
    pub kv_key_bytes: u32,
    /// How long a value of `kv` may be, in bytes.
    pub kv_value_bytes: u32,
    /// How many keys of `kv` a plugin may have.
    pub kv_entries: u32,
    /// How many bytes these and their values may have together.
    pub kv_bytes: u32,
    /// How many guests may run at once.
    pub instances: u32,
    /// How many of them may be one tenant's.
    pub tenant_instances: u32,
    /// How long the guests of one tenant may compute in a second, in milliseconds.
    pub tenant_cpu_ms: u32,
    /// How many plugins a tenant may have.
    pub per_tenant: u32,
    /// How many of them may run on one operation.
    pub per_operation: u32,
    /// How long a component may be compiled, in seconds.
    pub compile_seconds: u32,
    /// How much memory that may take, in bytes of address space.
    pub compile_bytes: u32,
}

impl Default for PluginSettings {
    fn default() -> Self {
        Self {
            component_bytes: 4 * MIB,
            memory_bytes: 16 * MIB,
            stack_bytes: 512 * KIB,
            tables: 4,
            table_elements: 10_000,
            cpu_ms: 5,
            configure_ms: 500,
            hostcall_bytes: MIB,
            header_ops: 64,
            header_bytes: 32 * KIB,
            reply_bytes: 64 * KIB,
            findings: 16,
            log_lines: 32,
            log_bytes: 8 * KIB,
            log_lines_per_second: 100,
            kv_key_bytes: 512,
            kv_value_bytes: 64 * KIB,
            kv_entries: 50_000,
            kv_bytes: 32 * MIB,
            instances: 64,
            tenant_instances: 16,
            tenant_cpu_ms: 200,
            per_tenant: 50,
            per_operation: 8,
            compile_seconds: 30,
            compile_bytes: 1024 * MIB,
        }
    }
}

impl PluginSettings {
    /// What lies beyond what anybody may have, in the words of a fault of the settings.
    pub fn wrong(&self) -> Option<String> {
        let wrong = self.bounds().into_iter().filter(|(_, value, most)| !(1..=*most).contains(value));
        let wrong: Vec<String> = wrong.map(|(name, _, most)| format!("`{name}` is 1 to {most}")).collect();
        (!wrong.is_empty()).then(|| format!("[plugins]: {}", wrong.join(", ")))
    }

    /// Each bound: its name, its value, and the ceiling that nobody passes.
    fn bounds(&self) -> [(&'static str, u32, u32); 26] {
        [
            ("component_bytes", self.component_bytes, 64 * MIB),
            ("memory_bytes", self.memory_bytes, 64 * MIB),
            ("stack_bytes", self.stack_bytes, MIB),
            ("tables", self.tables, 8),
            ("table_elements", self.table_elements, 100_000),
            ("cpu_ms", self.cpu_ms, 50),
            ("configure_ms", self.configure_ms, 5_000),
            ("hostcall_bytes", self.hostcall_bytes, 16 * MIB),
            ("header_ops", self.header_ops, 256),
            ("header_bytes", self.header_bytes, 128 * KIB),
            ("reply_bytes", self.reply_bytes, MIB),
            ("findings", self.findings, 64),
            ("log_lines", self.log_lines, 256),
            ("log_bytes", self.log_bytes, 64 * KIB),
            ("log_lines_per_second", self.log_lines_per_second, 1_000),
            ("kv_key_bytes", self.kv_key_bytes, KIB),
            ("kv_value_bytes", self.kv_value_bytes, 256 * KIB),
            ("kv_entries", self.kv_entries, 500_000),
            ("kv_bytes", self.kv_bytes, 256 * MIB),
            ("instances", self.instances, 1_024),
            ("tenant_instances", self.tenant_instances, 1_024),
            ("tenant_cpu_ms", self.tenant_cpu_ms, 64_000),
            ("per_tenant", self.per_tenant, 500),
            ("per_operation", self.per_operation, 16),
            ("compile_seconds", self.compile_seconds, 120),
            ("compile_bytes", self.compile_bytes, 2_048 * MIB),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_passes_a_ceiling_and_every_bound_is_told_that_is_wrong() {
        assert_eq!(PluginSettings::default().wrong(), None);
        let wrong = PluginSettings { cpu_ms: 51, instances: 0, ..PluginSettings::default() }.wrong().unwrap();
        assert_eq!(wrong, "[plugins]: `cpu_ms` is 1 to 50, `instances` is 1 to 1024");
    }

    #[test]
    fn every_bound_has_a_setting_and_no_other_is_known() {
        for (name, value, _) in PluginSettings::default().bounds() {
            let read: PluginSettings = toml::from_str(&format!("{name} = {value}")).unwrap();
            assert_eq!(read, PluginSettings::default(), "{name}");
        }
        assert!(toml::from_str::<PluginSettings>("fuel = 1").is_err());
    }
}
