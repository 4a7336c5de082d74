//! The menu for iPXE.

use std::fmt::Write as _;

use super::{MAX_HELP, Menu, line, url, url_path};
use crate::catalog::{Catalog, Entry, Image, Server, Spelling};

/// The script for `server`.
pub fn ipxe(catalog: &Catalog, menu: &Menu, server: &Server) -> String {
    let mut out = String::from("#!ipxe\n# Made by lanboot.\n");
    choose_start(&mut out, menu);
    if menu.timeout.is_some_and(|t| t.is_zero()) {
        out.push_str("goto ${start}\n");
    }
    out.push_str("\n:menu\nmenu lanboot - ${netX/mac} ${netX/ip}\n");
    for (_, entry) in catalog.entries() {
        let _ = writeln!(
            out,
            "item {} {}",
            label(&entry.id),
            line(&entry.title, MAX_HELP)
        );
    }
    out.push_str("item local Boot from the local disk\nitem shell iPXE shell\n");
    let timeout = match menu.timeout {
        Some(timeout) if !timeout.is_zero() => format!("--timeout {} ", timeout.as_millis()),
        _ => String::new(),
    };
    let _ = writeln!(
        out,
        "choose {timeout}--default ${{start}} picked || goto shell"
    );
    out.push_str("goto ${picked}\n");
    for (image, entry) in catalog.entries() {
        start(&mut out, image, entry, menu, server);
    }
    out.push_str(
        "\n:failed\necho lanboot: this did not start; the reason stands above.\n\
         prompt --timeout 30000 Press a key for the menu ||\ngoto menu\n\
         \n:shell\nshell\ngoto menu\n\
         \n:local\nexit\n",
    );
    out
}

/// An entry's script label; the prefix keeps an image called `shell` apart from the shell.
fn label(id: &str) -> String {
    format!("entry-{id}")
}

/// Sets `start` to what begins unattended. iPXE asks the processor only where the answer matters
/// (bit 29 of the extended features is long mode).
fn choose_start(out: &mut String, menu: &Menu) {
    let _ = match (&menu.boot.x86_64, &menu.boot.i686) {
        (Some(wide), Some(narrow)) if wide != narrow => writeln!(
            out,
            "cpuid --ext 29 && set start {} || set start {}",
            label(wide),
            label(narrow)
        ),
        (Some(entry), _) => writeln!(out, "set start {}", label(entry)),
        (None, _) => writeln!(out, "set start local"),
    };
}

fn start(out: &mut String, image: &Image, entry: &Entry, menu: &Menu, server: &Server) {
    let url = |path: &str| url(server, image, path);
    let arguments = entry.command_line(
        menu.transport,
        server,
        &image.name,
        Spelling::Ipxe,
        &menu.append,
    );
    // UEFI kernels before 5.7 find their initramfs by these names; BIOS does not mind them.
    let names: String = entry
        .initrd
        .iter()
        .map(|path| {
            format!(
                " initrd={}",
                url_path(path.rsplit('/').next().unwrap_or(path))
            )
        })
        .collect();
    // `imgfree` drops what an earlier try left, and this script: newer iPXE would append it to
    // the initramfs (ipxe issue 1723).
    let _ = write!(
        out,
        "\n:{}\nimgfree\nkernel {} {arguments}{names} || goto failed\n",
        label(&entry.id),
        url(&entry.kernel)
    );
    for path in &entry.initrd {
        let _ = writeln!(out, "initrd {} || goto failed", url(path));
    }
    out.push_str("boot || goto failed\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::testing::{catalog, image};
    use crate::catalog::{BootChoice, Cpu, Transport};
    use std::sync::Arc;
    use std::time::Duration;

    fn text(catalog: &Catalog, timeout: Option<Duration>) -> String {
        let menu = Menu {
            timeout,
            boot: BootChoice::resolve(catalog, None).unwrap(),
            append: "console=ttyS0".into(),
            transport: Transport::Http,
        };
        ipxe(
            catalog,
            &menu,
            &Server {
                http: "10.0.0.1:8080".parse().unwrap(),
            },
        )
    }

    #[test]
    fn an_entry_loads_kernel_and_initramfs_over_http() {
        let text = text(&catalog(), Some(Duration::from_secs(3)));
        let expected = "\n:entry-dual-x86_64\nimgfree\n\
            kernel http://10.0.0.1:8080/iso/dual/arch/vmlinuz archisobasedir=arch \
            archiso_http_srv=http://10.0.0.1:8080/iso/dual/ ip=dhcp BOOTIF=01-${netX/mac:hexhyp} \
            net.ifnames=0 console=ttyS0 initrd=early%20img initrd=initramfs.img || goto failed\n\
            initrd http://10.0.0.1:8080/iso/dual/arch/early%20img || goto failed\n\
            initrd http://10.0.0.1:8080/iso/dual/arch/initramfs.img || goto failed\n\
            boot || goto failed\n";
        assert!(text.contains(expected), "{text}");
        assert!(
            text.contains("choose --timeout 3000 --default ${start} picked"),
            "{text}"
        );
        assert!(
            text.contains("cpuid --ext 29 && set start entry-dual-x86_64 || "),
            "{text}"
        );
    }

    #[test]
    fn every_goto_has_its_label() {
        let text = text(&catalog(), Some(Duration::ZERO));
        assert!(text.contains("\ngoto ${start}\n"), "{text}");
        let labels: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix(':')).collect();
        let items = text
            .lines()
            .filter_map(|l| l.strip_prefix("item ")?.split(' ').next());
        let gotos = text
            .split("goto ")
            .skip(1)
            .filter_map(|l| l.split_whitespace().next());
        for target in items.chain(gotos).filter(|t| !t.starts_with('$')) {
            assert!(labels.contains(&target), "{target} has no label in {text}");
        }
    }

    #[test]
    fn an_image_may_be_called_like_a_label_of_the_script() {
        let catalog = Catalog::new(vec![Arc::new(image("shell", &[Cpu::X86_64]))]);
        let text = text(&catalog, None);
        assert_eq!(text.matches("\n:shell\n").count(), 1, "{text}");
        assert!(text.contains("set start entry-shell-x86_64\n"), "{text}");
    }
}
