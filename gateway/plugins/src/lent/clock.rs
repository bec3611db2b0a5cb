//! `clock`: the one reading of the request. It stands still, so that nothing can be timed with it.

use wasmtime::StoreContextMut;
use wasmtime::component::LinkerInstance;

use super::Lent;

pub(super) fn add(to: &mut LinkerInstance<'_, Lent>) -> wasmtime::Result<()> {
    to.func_wrap("now-ms", |store: StoreContextMut<'_, Lent>, (): ()| {
        let lent = store.data();
        lent.on_request_only("clock")?;
        Ok((u64::try_from(lent.at.wall.nanos() / 1_000_000).unwrap_or_default(),))
    })
}
