//! Events of a server, as the tests wait for them, and an image and a context for it to serve.

use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use ipnet::IpNet;
use lanboot::context::Context;
use lanboot::events::bus::{Bus, Events};
use lanboot::images::open_images::{ImageFile, OpenImages};
use lanboot::machines::Plans;
use lanboot_core::catalog::{Catalog, Detection, Image, MediumLoaders};
use lanboot_core::events::{EventKind, FileUse};
use lanboot_core::loaders::Loaders;
use lanboot_core::menus::Menu;
use lanboot_core::plan::BootChoice;
use lanboot_core::route::Route;
use lanboot_core::routes::{Opened, Routes};
use lanboot_core::vfs::{File, Identity, ImageId, Meta, TreeBuilder};
use tempfile::NamedTempFile;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::time::timeout;

/// Nothing in these tests takes this long unless it is broken, on a machine that has much else to
/// do. Shorter than what the servers allow an idle connection.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Waits for the next event that `wanted` accepts.
pub fn event<T>(events: &mut Events, mut wanted: impl FnMut(&EventKind) -> Option<T>) -> T {
    let clock = Builder::new_current_thread().enable_time().build().unwrap();
    let found = async {
        loop {
            let event = events.recv().await.expect("the server has ended");
            if let Some(found) = wanted(&event.what) {
                return found;
            }
        }
    };
    let found = clock.block_on(async { timeout(DEADLINE, found).await });
    found.unwrap_or_else(|_| panic!("the event did not come within {DEADLINE:?}"))
}

/// Bytes no two blocks of which are alike, the same in every run.
pub fn noise(len: usize) -> Vec<u8> {
    noise_from(0x9e37_79b9_7f4a_7c15, len)
}

/// Others for every `state` but zero.
pub fn noise_from(mut state: u64, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// A file that holds `bytes`, open as the only image.
pub fn opened(bytes: &[u8]) -> (NamedTempFile, Arc<OpenImages>, ImageId) {
    let file = file(bytes);
    let open_images = Arc::new(OpenImages::default());
    let id = open_images.insert(ImageFile::open(file.path()).unwrap());
    (file, open_images, id)
}

/// A file that holds `bytes`.
pub fn file(bytes: &[u8]) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    file.as_file().write_all_at(bytes, 0).unwrap();
    file
}

/// A file as a server finds it, which means nothing to a boot.
pub fn found(file: File) -> Opened {
    Opened {
        route: Route::Index,
        file,
        file_use: FileUse::default(),
    }
}

/// An image of no family with no file in it.
pub fn image(name: &str, id: ImageId, size: u64) -> Image {
    Image {
        name: name.into(),
        file: format!("{name}.iso"),
        folder: Vec::new(),
        id,
        size,
        recorded_size: size,
        version: id.0,
        identity: Identity([u8::try_from(id.0).unwrap(); 16]),
        label: String::new(),
        uuid: None,
        tree: Arc::new(TreeBuilder::new(Meta::default()).build()),
        found: Detection::default(),
        loaders: MediumLoaders::default(),
    }
}

/// The context of a server, its events, and the sender that stops it.
pub fn context(
    routes: Routes,
    open_images: Arc<OpenImages>,
) -> (Context, Events, watch::Sender<bool>) {
    let (bus, events) = Bus::new();
    let (drain, draining) = watch::channel(false);
    let context = Context {
        routes: Arc::new(ArcSwap::from_pointee(routes)),
        open_images,
        plans: Plans::none(bus.clone()),
        bus,
        drain: draining,
    };
    (context, events, drain)
}

/// The routes of a server for the first `prefix` bits of 127.0.0.1, without a loader.
pub fn routes(catalog: Catalog, prefix: u8) -> Routes {
    Routes {
        menu: Menu {
            timeout: None,
            boot: BootChoice::resolve(&catalog, None).unwrap(),
            append: String::new(),
            transports: Default::default(),
            kind: Default::default(),
        },
        catalog: Arc::new(catalog),
        loaders: Arc::new(Loaders::default()),
        addresses: vec![IpNet::new([127, 0, 0, 1].into(), prefix).unwrap()],
        subnets: vec![],
        http_port: 80,
        nfs: true,
        nbd: true,
    }
}

/// Builds the runtime of a server: more threads than this machine has processors.
pub fn runtime() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(4).enable_all().build().unwrap()
}
