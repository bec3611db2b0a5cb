//! The clouds behind the gateway, as a test double: every operation that the gateway forwards, answered for real.
//!
//! It promises what the five references document, per tenant and the same every time. It does not know who is asking,
//! only for which tenant: the gateway has answered everything else before, and where its key is known signs for it.

mod blobs;
mod clock;
mod cloudnexus;
mod cloudnx;
mod clouds;
#[cfg(test)]
mod conformance;
mod control;
mod dialect;
mod faults;
mod fields;
mod gate;
mod ids;
mod listen;
mod novastack;
mod novastraxis;
mod objects;
mod pace;
mod paging;
mod query;
mod refused;
mod seen;
mod servers;
mod settings;
mod surface;
mod tenants;
#[cfg(test)]
mod testing;
mod vouched;
mod wire;

use std::sync::Arc;

use tokio::io::AsyncReadExt;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

pub use settings::Settings;

use crate::clock::AheadClock;
use crate::clouds::Clouds;

/// Serves all ports until a signal, or the end of standard input where that was asked for.
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    let ports = Clouds::new(&settings, Arc::new(AheadClock::default()))?.bind(&settings).await?;
    // Listened for before anyone can know that we run, so that even the earliest signal ends us in order.
    let told = Told::listening(settings.until_stdin_closes)?;
    if let Some(file) = &settings.ports_file {
        listen::announce(&ports, file)?;
    }
    let (stop, stopped) = watch::channel(false);
    let serving: Vec<_> = ports.into_iter().map(|port| tokio::spawn(port.serve(stopped.clone()))).collect();
    told.wait().await;
    stop.send_replace(true);
    for port in serving {
        port.await?;
    }
    Ok(())
}

/// The ways to be told to stop.
struct Told {
    terminate: Signal,
    interrupt: Signal,
    until_stdin_closes: bool,
}

impl Told {
    fn listening(until_stdin_closes: bool) -> std::io::Result<Self> {
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(Self { terminate, interrupt, until_stdin_closes })
    }

    async fn wait(mut self) {
        let stdin_closes = async {
            if !self.until_stdin_closes {
                return std::future::pending().await;
            }
            let (mut stdin, mut sink) = (tokio::io::stdin(), [0; 256]);
            while stdin.read(&mut sink).await.is_ok_and(|count| count > 0) {}
        };
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            () = stdin_closes => {}
        }
    }
}
