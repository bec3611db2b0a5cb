//! `portcullis plugin new`

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use serde::Serialize;

use crate::commands::output::Output;

/// The name that the template has.
const TEMPLATE: &str = "hello";

/// Every file of a new plugin: the template, and the SDK that it is written with, which is of the version of this gateway.
const FILES: [(&str, &str); 13] = [
    ("Cargo.toml", include_str!("../../../../../sdk-wasm/template/Cargo.toml")),
    ("Cargo.lock", include_str!("../../../../../sdk-wasm/Cargo.lock")),
    ("plugin.toml", include_str!("../../../../../sdk-wasm/template/plugin.toml")),
    ("src/lib.rs", include_str!("../../../../../sdk-wasm/template/src/lib.rs")),
    (".gitignore", "target\nplugin.wasm\n"),
    ("sdk/wit/plugin.wit", plugins::WIT),
    ("sdk/rust/Cargo.toml", include_str!("../../../../../sdk-wasm/rust/Cargo.toml")),
    ("sdk/rust/src/lib.rs", include_str!("../../../../../sdk-wasm/rust/src/lib.rs")),
    ("sdk/rust/src/config.rs", include_str!("../../../../../sdk-wasm/rust/src/config.rs")),
    ("sdk/rust/src/lent.rs", include_str!("../../../../../sdk-wasm/rust/src/lent.rs")),
    ("sdk/rust/src/request.rs", include_str!("../../../../../sdk-wasm/rust/src/request.rs")),
    ("sdk/rust/src/testing.rs", include_str!("../../../../../sdk-wasm/rust/src/testing.rs")),
    ("sdk/rust/src/verdict.rs", include_str!("../../../../../sdk-wasm/rust/src/verdict.rs")),
];

/// How a plugin is compiled, as the workspace of the SDK says it.
const WORKSPACE: &str = include_str!("../../../../../sdk-wasm/Cargo.toml");

/// Where a plugin is begun.
#[derive(Debug, Args)]
pub(crate) struct New {
    /// A folder that is not there yet; its name is that of the plugin
    folder: PathBuf,
}

#[derive(Serialize)]
struct Begun {
    folder: PathBuf,
    name: String,
}

impl New {
    pub(super) fn run(self, output: Output) -> anyhow::Result<ExitCode> {
        let Some(name) = self.folder.file_name().and_then(|it| it.to_str()).filter(|it| is_name(it)) else {
            bail!("a plugin is named with 1 to 64 of a-z, 0-9 and `-`, and begins with a letter");
        };
        if self.folder.exists() {
            bail!("`{}` is there already", self.folder.display());
        }
        for (file, text) in FILES {
            let text = match file {
                "Cargo.toml" => format!("{}\n{}", renamed(text, name), profile()),
                "Cargo.lock" | "plugin.toml" => renamed(text, name),
                _ => text.to_owned(),
            };
            let path = self.folder.join(file);
            let folder = path.parent().context("a file lies in a folder")?;
            let written = fs::create_dir_all(folder).and_then(|()| fs::write(&path, text));
            written.with_context(|| format!("`{}` cannot be written", path.display()))?;
        }
        let (folder, name) = (self.folder.clone(), name.to_owned());
        let words = format!(
            "`{0}` is begun: `cargo test` in it tries it out, `portcullis plugin build {0}` makes its component",
            folder.display()
        );
        output.one(&Begun { folder, name }, &words)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What the template says with another name, and with its SDK beside it.
fn renamed(text: &str, name: &str) -> String {
    let quoted = |it: &str| format!("name = \"{it}\"");
    text.replace(&quoted(TEMPLATE), &quoted(name)).replace("\"../rust\"", "\"sdk/rust\"")
}

/// The plugin is a workspace of its own, wherever it lies, and is compiled as the template is.
fn profile() -> String {
    let at = WORKSPACE.find("[profile.release]").and_then(|it| WORKSPACE.get(it..)).unwrap_or_default();
    format!("[workspace]\n\n{at}")
}

/// Whether cargo and the gateway both take it for a name.
fn is_name(text: &str) -> bool {
    let inner = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-';
    text.len() <= 64 && text.bytes().all(inner) && text.starts_with(|it: char| it.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_plugin_is_called_as_its_folder_is() {
        let cargo = renamed(FILES[0].1, "mine");
        assert!(cargo.contains("name = \"mine\"") && cargo.contains("path = \"sdk/rust\""), "{cargo}");
        for file in &FILES[1..3] {
            assert!(renamed(file.1, "mine").contains("name = \"mine\""), "{}", file.0);
        }
        assert!(profile().contains("lto = true"));
        for (name, good) in [("mine", true), ("a-2", true), ("", false), ("2a", false), ("A", false), ("a_b", false)] {
            assert_eq!(is_name(name), good, "{name}");
        }
    }

    #[test]
    fn every_file_of_the_sdk_comes_with_it() {
        let lib = FILES.iter().find(|it| it.0 == "sdk/rust/src/lib.rs").unwrap().1;
        for module in lib.lines().filter_map(|it| it.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'))
        {
            assert!(FILES.iter().any(|it| it.0 == format!("sdk/rust/src/{module}.rs")), "{module}");
        }
    }
}
