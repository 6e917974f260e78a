//! Rendered bytes of a catalog.

use std::io::Write;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use skill_pool_domain::catalog::{Entry, Head, render};
use skill_pool_domain::digest::{Sha256Hasher, hex};
use skill_pool_domain::names::TenantId;

use super::Listed;

/// `marketplace.json` for one address of a tenant.
pub struct CatalogFile {
    bytes: Bytes,
    tag: String,
    /// Made when first asked for.
    compressed: OnceLock<Bytes>,
}

impl CatalogFile {
    pub(super) fn render<'a>(
        tenant: TenantId,
        head: &Head,
        address: &str,
        plugins: impl Iterator<Item = &'a Arc<Listed>> + Clone,
    ) -> Self {
        let entries = plugins.map(|listed| -> &Entry { &listed.entry });
        let catalog = render(head, address, entries);
        if catalog.omitted > 0 {
            tracing::error!(
                tenant = %head.tenant,
                catalog.omitted = catalog.omitted,
                "the catalog of {} is full: {} plugins are left out; Claude Code takes 5 MiB",
                head.tenant,
                catalog.omitted
            );
        }
        // With the tenant's id in it the tag cannot be guessed from content that somebody knows.
        let mut hasher = Sha256Hasher::new();
        hasher.update(tenant.0.as_bytes());
        hasher.update(&catalog.bytes);
        let tag = hex(&hasher.finish().0[..16]);
        Self { bytes: catalog.bytes.into(), tag, compressed: OnceLock::new() }
    }

    /// The JSON.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Identifies the bytes: 32 hexadecimal digits.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// The JSON as gzip, if it was asked for before.
    pub fn compressed(&self) -> Option<&Bytes> {
        self.compressed.get()
    }

    /// The JSON as gzip. Compresses the first time: about 10 ms for 1,000 plugins.
    pub fn compress(&self) -> &Bytes {
        self.compressed.get_or_init(|| {
            let mut encoder = GzEncoder::new(Vec::with_capacity(self.bytes.len() / 4), Compression::new(5));
            encoder.write_all(&self.bytes).and_then(|()| encoder.finish()).expect("memory takes every write").into()
        })
    }

    pub(super) fn weight(&self) -> usize {
        self.bytes.len() + self.compressed.get().map_or(0, Bytes::len) + 128
    }
}
