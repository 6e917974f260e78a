//! What people are told when the database or the disk fails.

use skill_pool_domain::refusal::Refusal;

use crate::store::StoreError;

/// Turns a failure of the database into words. What we did not foresee goes to the log under a number, and the person
/// gets the number.
pub(super) fn store_failed(what: &'static str, error: &StoreError) -> Refusal {
    if error.is_disk_full() {
        return Refusal::new(
            "disk-full",
            "the registry's disk is full: no space left; nothing was changed",
            "free space on the disk of the data folder, then try again",
        );
    }
    match error {
        StoreError::TenantTaken(_) | StoreError::Conflict(_) => {
            Refusal::new("taken", error.to_string(), "choose another name, or look at what is there")
        }
        StoreError::Absent(_) => Refusal::new("absent", error.to_string(), "look at what is there"),
        StoreError::Closed => Refusal::new("stopping", "the server is stopping", "try again when it has started"),
        _ => internal(what, error),
    }
}

/// Something that we did not foresee.
pub(super) fn internal(what: &'static str, error: &dyn std::error::Error) -> Refusal {
    let id = uuid::Uuid::now_v7().simple();
    let mut chain = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        chain.push_str(": ");
        chain.push_str(&cause.to_string());
        source = cause.source();
    }
    tracing::error!(error = %chain, error.id = %id, "{what}");
    Refusal::new(
        "internal-error",
        format!("internal error: {what}"),
        format!("try again; if it stays, look for this number in the server's log: {id}"),
    )
}
