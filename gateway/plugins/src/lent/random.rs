//! `random`: bytes that nobody can foretell.

use wasmtime::StoreContextMut;
use wasmtime::component::LinkerInstance;

use super::{Lent, MOST_RANDOM};

pub(super) fn add(to: &mut LinkerInstance<'_, Lent>) -> wasmtime::Result<()> {
    to.func_wrap("bytes", |store: StoreContextMut<'_, Lent>, (count,): (u32,)| {
        let lent = store.data();
        lent.on_request_only("random")?;
        if count > MOST_RANDOM {
            return Err(wasmtime::Error::msg(format!(
                "{count} random bytes in one call; there are {MOST_RANDOM} at most"
            )));
        }
        let mut bytes = vec![0; count as usize];
        lent.random.fill(&mut bytes);
        Ok((bytes,))
    })
}
