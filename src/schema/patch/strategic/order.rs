//! The order of merged lists.
//!
//! The patch's order comes first, the live list's second: what both know stays where the live
//! list has it, what only the server knows keeps its place relative to that
//! (`design-proposals-archive/cli/preserve-order-in-strategic-merge-patch.md`).

use serde_json::Value;

use super::directives::PATCH;
use super::{StrategicError, identity, position};
use crate::equal::same;

/// Checks that the items of a patch come in the order that `$setElementOrder` lists, and that
/// each of them is listed; deletions are ignored. Upstream's validatePatchWithSetOrderList.
pub(super) fn check_against(
    patch: &[Value],
    order: &[Value],
    key: Option<&str>,
) -> Result<(), StrategicError> {
    if order.is_empty() {
        return Ok(());
    }
    let mut listed = order.iter();
    for item in patch.iter().filter(|item| item.get(PATCH).is_none()) {
        let value = identity(item, key)?;
        let is_listed = |one: &Value| identity(one, key).is_ok_and(|one| same(one, value));
        if !listed.any(is_listed) {
            return Err(StrategicError::OrderMismatch {
                patch: Value::Array(patch.to_vec()).to_string(),
                order: Value::Array(order.to_vec()).to_string(),
            });
        }
    }
    Ok(())
}

/// Arranges `items`: those in `patch_order` in that order, the others in `server_order`, merged
/// by their places in `server_order`. Upstream's normalizeElementOrder.
pub(super) fn arrange(
    items: Vec<Value>,
    patch_order: &[Value],
    server_order: &[Value],
    key: Option<&str>,
) -> Result<Vec<Value>, StrategicError> {
    let mut of_patch = Vec::new();
    let mut of_server = Vec::new();
    for item in items {
        let value = identity(&item, key)?;
        let on_server = position(server_order, key, value);
        match position(patch_order, key, value) {
            Some(place) => of_patch.push((place, on_server, item)),
            None => of_server.push((on_server, item)),
        }
    }
    of_patch.sort_by_key(|(place, _, _)| *place);
    // What the server does not have either cannot be; it would come first.
    of_server.sort_by_key(|(place, _)| *place);
    Ok(interleave(of_server, of_patch))
}

/// Upstream's mergeSortedSlice: the server's next item goes first only where the live list has
/// it before the patch's next one.
fn interleave(
    of_server: Vec<(Option<usize>, Value)>,
    of_patch: Vec<(usize, Option<usize>, Value)>,
) -> Vec<Value> {
    let mut all = Vec::with_capacity(of_server.len() + of_patch.len());
    let mut of_server = of_server.into_iter().peekable();
    for (_, place, item) in of_patch {
        let is_before = |before: &Option<usize>| matches!((before, place), (Some(before), Some(place)) if *before < place);
        while let Some((_, earlier)) = of_server.next_if(|(before, _)| is_before(before)) {
            all.push(earlier);
        }
        all.push(item);
    }
    all.extend(of_server.map(|(_, item)| item));
    all
}
