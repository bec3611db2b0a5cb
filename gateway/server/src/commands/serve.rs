//! `portcullis serve`

use std::process::ExitCode;

use tracing_subscriber::EnvFilter;

use crate::commands::output::print;
use crate::settings::Settings;

/// Serves until told to stop. One JSON line on standard output says where; everything else goes to standard error.
pub(crate) fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    let filter = EnvFilter::try_new(&settings.log)?;
    // A log line that cannot be written is lost. To say so where it could not be written would be a panic, and the thread
    // that panics may be the one that writes entries.
    let log = tracing_subscriber::fmt().json().log_internal_errors(false);
    log.with_env_filter(filter).with_writer(std::io::stderr).init();
    crate::serve::serve(settings, |ready| {
        let line = serde_json::to_string(ready).unwrap_or_default();
        if let Err(cause) = print(&format!("{line}\n")) {
            tracing::warn!(%cause, "nobody reads standard output");
        }
    })
}
