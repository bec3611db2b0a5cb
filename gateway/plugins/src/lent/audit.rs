//! `audit`: findings between verdicts. They are entered with the request, as those of the verdict are.

use wasmtime::StoreContextMut;
use wasmtime::component::LinkerInstance;

use super::Lent;
use crate::wire::Finding;

pub(super) fn add(to: &mut LinkerInstance<'_, Lent>) -> wasmtime::Result<()> {
    to.func_wrap("emit", |mut store: StoreContextMut<'_, Lent>, (finding,): (Finding,)| {
        let lent = store.data_mut();
        lent.on_request_only("audit")?;
        if lent.bounds.findings <= lent.findings.len() {
            // The contract has no way to say so, and a finding that is dropped in silence is worse than a fault.
            return Err(wasmtime::Error::msg("more findings than there may be"));
        }
        lent.findings.push(finding);
        Ok(())
    })
}
