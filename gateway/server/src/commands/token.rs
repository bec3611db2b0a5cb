//! `portcullis token`

use std::process::ExitCode;

use clap::Args;
use domain::{Clock as _, SystemClock};
use serde_json::json;

use crate::client::{self, Safe};
use crate::commands::login::{Whose, runtime};
use crate::commands::output::Output;

/// Whose token is printed.
#[derive(Debug, Args)]
pub(crate) struct Token {
    #[command(flatten)]
    whose: Whose,
}

impl Token {
    /// Prints what to ask with, and nothing else, so that it can stand in the words of another command.
    pub(super) fn run(self, output: Output) -> anyhow::Result<ExitCode> {
        let profile = self.whose.read()?;
        let mut held = Safe::under(&Whose::folder()?).hold(&self.whose.profile)?;
        let now = SystemClock::new().now().wall;
        let token = runtime()?.block_on(client::current(&mut held, &profile, now))?;
        output.one(&json!({ "token": token }), &token)?;
        Ok(ExitCode::SUCCESS)
    }
}
