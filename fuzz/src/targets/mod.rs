//! One module per parser or session: `run` takes any bytes and panics only when a promise is
//! broken, `seeds` returns inputs that reach deep into it.
//!
//! `crates/lanboot-core/tests/fuzz_targets.rs` compiles the same modules with the stable compiler
//! and runs them on their seeds and on damaged copies of them.

pub mod boot_config;
pub mod dhcp;
pub mod fat;
pub mod http;
pub mod initramfs;
pub mod input;
pub mod iso;
pub mod media;
pub mod medium;
pub mod nbd;
pub mod nfs;
pub mod pe;
pub mod routes;
pub mod text;
pub mod tftp;
pub mod udf;

/// A target by name.
pub struct Target {
    /// Its name: that of its module and of its program.
    pub name: &'static str,
    /// Runs it on one input.
    pub run: fn(&[u8]),
    /// Makes its seeds.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every target.
pub const ALL: [Target; 15] = [
    Target {
        name: "boot_config",
        run: boot_config::run,
        seeds: boot_config::seeds,
    },
    Target {
        name: "dhcp",
        run: dhcp::run,
        seeds: dhcp::seeds,
    },
    Target {
        name: "fat",
        run: fat::run,
        seeds: fat::seeds,
    },
    Target {
        name: "http",
        run: http::run,
        seeds: http::seeds,
    },
    Target {
        name: "initramfs",
        run: initramfs::run,
        seeds: initramfs::seeds,
    },
    Target {
        name: "iso",
        run: iso::run,
        seeds: iso::seeds,
    },
    Target {
        name: "media",
        run: media::run,
        seeds: media::seeds,
    },
    Target {
        name: "medium",
        run: medium::run,
        seeds: medium::seeds,
    },
    Target {
        name: "nbd",
        run: nbd::run,
        seeds: nbd::seeds,
    },
    Target {
        name: "nfs",
        run: nfs::run,
        seeds: nfs::seeds,
    },
    Target {
        name: "pe",
        run: pe::run,
        seeds: pe::seeds,
    },
    Target {
        name: "routes",
        run: routes::run,
        seeds: routes::seeds,
    },
    Target {
        name: "text",
        run: text::run,
        seeds: text::seeds,
    },
    Target {
        name: "tftp",
        run: tftp::run,
        seeds: tftp::seeds,
    },
    Target {
        name: "udf",
        run: udf::run,
        seeds: udf::seeds,
    },
];
