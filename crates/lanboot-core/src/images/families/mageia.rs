//! Mageia's classical installer. Recognised by its initramfs `all.rdz`, which its menu starts, and by
//! the installer's second stage in `CPU/install/stage2`. The first stage takes `automatic=` with the
//! server and folder of the medium, mounts it, and the installer takes its packages from there.
//!
//! Over HTTP the first stage asks for `HTTP/0.9` with a head, which is no version of HTTP, and only
//! at port 80: it is offered over NFS.
//!
//! Read in drakx (`mdk-stage1/automatic.c`: the parameters, `url.c`: the request) and in the menus of
//! netboot.xyz (`mageia.ipxe.j2`).

use std::sync::Arc;

use crate::boot_config::MenuEntry;
use crate::images::detection::Detection;
use crate::images::entry::{Boot, Entry, Refusal, RootSource};
use crate::images::evidence::Evidence;
use crate::images::family::Family;
use crate::images::medium::Medium;
use crate::images::own_menu::{Choice, Common};
use crate::images::transport::Transport;
use crate::vfs::{Content, Tree};

/// Mageia.
pub(super) static FAMILY: Family = Family {
    name: "Mageia",
    detect,
    // `automatic=` names the path.
    mount_paths: &[],
    disk_names: &[],
    boots: &[],
};

/// Mageia's names of the processors.
const CPUS: [&str; 3] = ["x86_64", "i586", "i686"];
/// Names of the second stage (`mdkinst`) and of the rescue system, over time.
const STAGES: [&str; 3] = ["mdkinst.sqfs", "mdkinst.sqfs.img", "rescue.sqfs"];
/// Arguments that make an entry a variant of the plain one.
const VARIANTS: [&str; 4] = ["nomodeset", "text", "acpi", "nokmsboot"];

/// Recognises an installation medium of Mageia's.
fn detect(medium: Medium<'_>) -> Option<Detection> {
    let (cpu, stage) = stage(medium.tree)?;
    let config = medium.menus();
    let is_first_stage = |path: &String| path.ends_with("/all.rdz");
    let choice = Choice {
        is_usable: &|entry: &MenuEntry| entry.initrds.iter().any(is_first_stage),
        mode: &|entry| match entry.argument("rescue") {
            Some(_) => "rescue",
            None => "",
        },
        variants: &VARIANTS,
    };
    let pairs = choice.pairs(medium.tree, config);
    let bytes = medium.tree.file(&stage).map_or(0, Content::len);
    let common = Common {
        medium,
        root: Some((stage, bytes)),
        source: Arc::new(Mageia {
            folder: cpu.to_owned(),
        }),
        decided_here: &["automatic"],
        notes: Vec::new(),
    };
    (!pairs.is_empty()).then(|| Detection {
        family: Some("Mageia"),
        evidence: vec![Evidence::Mark],
        entries: common.entries(&pairs),
        warnings: config.limits.iter().map(ToString::to_string).collect(),
        ..Detection::default()
    })
}

/// Finds the processor's folder and the path of the second stage.
fn stage(tree: &Tree) -> Option<(&'static str, String)> {
    let all = CPUS
        .into_iter()
        .flat_map(|cpu| STAGES.map(|stage| (cpu, format!("{cpu}/install/stage2/{stage}"))));
    let mut there = all.filter(|(_, path)| tree.file(path).is_some());
    there.next()
}

/// The first stage of Mageia's installer.
#[derive(Clone, Debug)]
struct Mageia {
    /// The folder with the packages and the second stage.
    folder: String,
}

impl RootSource for Mageia {
    fn arguments(&self, entry: &Entry, boot: &Boot<'_>) -> Vec<String> {
        let (server, image) = (boot.source.server, boot.source.image);
        let mut words = entry.inherited.clone();
        if boot.transport == Transport::Nfs {
            words.push(format!(
                "automatic=method:nfs,network:dhcp,server:{},directory:/iso/{image}/{}",
                server.http.host, self.folder
            ));
        }
        words.extend(boot.append.split_whitespace().map(str::to_owned));
        words
    }

    fn unsupported(&self, transport: Transport) -> Option<Refusal> {
        (transport != Transport::Nfs).then_some(Refusal::OnlyNfs("Mageia's"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::golden::{detected, line};
    use crate::testing::{linux, medium, tree};

    /// `isolinux/isolinux.cfg` of Mageia's classical installer.
    const MENU: &str = "default linux\nprompt 1\ntimeout 80\nlabel linux\n\
        \x20 kernel x86_64/vmlinuz\n  append initrd=x86_64/all.rdz vga=788 splash=silent quiet\n\
        label text\n  kernel x86_64/vmlinuz\n  append initrd=x86_64/all.rdz text\nlabel rescue\n\
        \x20 kernel x86_64/vmlinuz\n  append initrd=x86_64/all.rdz rescue\n";

    const FILES: [(&str, &str); 4] = [
        ("isolinux/isolinux.cfg", MENU),
        ("isolinux/x86_64/all.rdz", "i"),
        ("isolinux/x86_64/vmlinuz", "k"),
        ("x86_64/install/stage2/mdkinst.sqfs", "sss"),
    ];

    #[test]
    fn the_installer_mounts_the_medium() {
        let found = detected(&FILES);
        assert_eq!(found.family_name(), "Mageia");
        let [install, rescue] = &found.entries[..] else {
            panic!("{:?}", found.entries)
        };
        assert_eq!(
            (install.id.as_str(), rescue.id.as_str()),
            ("disc", "disc-rescue")
        );
        assert_eq!(linux(install).kernel, "isolinux/x86_64/vmlinuz");
        assert_eq!(
            line(install, Transport::Nfs, "kickstart=x"),
            "vga=788 splash=silent quiet \
             automatic=method:nfs,network:dhcp,server:192.168.0.1,directory:/iso/disc/x86_64 \
             kickstart=x"
        );
        assert_eq!(install.check(Transport::Nfs, ""), Ok(()));
        assert_eq!(
            install.check(Transport::Http, "").unwrap_err().to_string(),
            "its initramfs (Mageia's) mounts the root over NFS only"
        );
        for missing in 1..4 {
            let mut files = FILES.to_vec();
            files.remove(missing);
            assert!(detect(medium(&tree(&files), "disc", "X")).is_none());
        }
    }
}
