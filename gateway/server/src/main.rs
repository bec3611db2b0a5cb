//! The binary `portcullis`: a gateway to run, and the commands that look after it.

mod actor;
mod boot;
mod client;
mod commands;
mod cosign;
mod desk;
mod diary;
mod edge;
mod errands;
mod faults;
mod guests;
mod hashing;
mod health;
mod heard;
mod inside;
mod office;
mod outward;
mod retaining;
mod scanning;
mod serve;
mod settings;
mod sinks;
mod tls;
mod watched;

use std::process::ExitCode;

use crate::commands::Cli;

/// The system's allocator keeps what busy hours have used; this one gives it back, and is faster.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    Cli::typed().map_or_else(|it| it, Cli::run)
}
