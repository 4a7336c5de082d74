//! Reads the boot configuration a medium carries for SYSLINUX: labels with their kernel,
//! initramfs and arguments. `INCLUDE` is not followed; callers read every file that matters.

/// One `LABEL` of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Label {
    /// Its name.
    pub name: String,
    /// `MENU LABEL`, without the `^` that marks its hot key.
    pub title: Option<String>,
    /// Path of the kernel, from `LINUX` or `KERNEL`, relative to the medium's root.
    pub kernel: String,
    /// Paths from `INITRD` and `initrd=`, in order.
    pub initrd: Vec<String>,
    /// The words of `APPEND` without `initrd=`.
    pub append: Vec<String>,
}

/// Most labels read from one file.
const MAX_LABELS: usize = 128;

/// Parses a configuration; whatever it does not know is passed over.
pub(super) fn parse(text: &[u8]) -> Vec<Label> {
    let text = String::from_utf8_lossy(text);
    let mut labels: Vec<Label> = Vec::new();
    let mut in_help = false;
    for line in text.lines() {
        let line = line.trim();
        let (keyword, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        let keyword = keyword.to_ascii_uppercase();
        if in_help {
            in_help = keyword != "ENDTEXT";
            continue;
        }
        if keyword == "TEXT" {
            in_help = true;
            continue;
        }
        if keyword == "LABEL" && labels.len() < MAX_LABELS {
            labels.push(Label {
                name: rest.to_owned(),
                ..Label::default()
            });
        }
        let Some(label) = labels.last_mut() else {
            continue;
        };
        match keyword.as_str() {
            "LINUX" | "KERNEL" => label.kernel = medium_path(rest),
            "INITRD" => label.initrd.extend(rest.split(',').map(medium_path)),
            "APPEND" => append(label, rest),
            "MENU" => {
                if let Some(title) = strip_word(rest, "LABEL") {
                    label.title = Some(title.replace('^', ""));
                }
            }
            _ => {}
        }
    }
    labels
}

fn append(label: &mut Label, words: &str) {
    for word in words.split_whitespace() {
        match word.strip_prefix("initrd=") {
            Some(files) => label.initrd.extend(files.split(',').map(medium_path)),
            None => label.append.push(word.to_owned()),
        }
    }
}

/// A path as written in a PXE configuration, made relative to the medium's root: `::/arch/x`
/// is TFTP from the server's root, `../../x` climbs out of the configuration's directory.
pub(super) fn medium_path(written: &str) -> String {
    let written = written.trim();
    let mut path = written.strip_prefix("::").unwrap_or(written);
    loop {
        let shorter = path.strip_prefix('/').or_else(|| path.strip_prefix("../"));
        match shorter.or_else(|| path.strip_prefix("./")) {
            Some(shorter) => path = shorter,
            None => return path.to_owned(),
        }
    }
}

fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (first, rest) = text.split_once(char::is_whitespace)?;
    first.eq_ignore_ascii_case(word).then(|| rest.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn todays_pxe_configuration_is_understood() {
        let labels = parse(
            b"LABEL arch_http\nTEXT HELP\nBoot the medium.\nLABEL not this\nENDTEXT\n\
              MENU LABEL ^Arch Linux (x86_64, HTTP)\nLINUX ::/arch/boot/x86_64/vmlinuz-linux\n\
              INITRD ::/arch/boot/intel-ucode.img,::/arch/boot/x86_64/initramfs-linux.img\n\
              APPEND archisobasedir=arch archiso_http_srv=http://${pxeserver}/ cms_verify=y\nSYSAPPEND 3\n",
        );
        assert_eq!(
            labels,
            [Label {
                name: "arch_http".into(),
                title: Some("Arch Linux (x86_64, HTTP)".into()),
                kernel: "arch/boot/x86_64/vmlinuz-linux".into(),
                initrd: vec![
                    "arch/boot/intel-ucode.img".into(),
                    "arch/boot/x86_64/initramfs-linux.img".into()
                ],
                append: vec![
                    "archisobasedir=arch".into(),
                    "archiso_http_srv=http://${pxeserver}/".into(),
                    "cms_verify=y".into()
                ],
            }]
        );
    }

    #[test]
    fn relative_paths_initrd_in_append_and_lower_case_are_understood() {
        let labels = parse(
            b"label a\n kernel ../../boot/vmlinuz\n append initrd=/boot/initrd.img quiet\nlabel b\n",
        );
        assert_eq!(labels[0].kernel, "boot/vmlinuz");
        assert_eq!(labels[0].initrd, ["boot/initrd.img"]);
        assert_eq!(labels[0].append, ["quiet"]);
        assert_eq!(labels[1].kernel, "");
    }

    #[test]
    fn a_hostile_file_is_bounded_and_harmless() {
        let labels = parse(&b"LABEL x\n".repeat(100_000));
        assert_eq!(labels.len(), MAX_LABELS);
        assert!(parse(b"\xff\xfe\x00\nAPPEND before any label\nTEXT HELP\nnever ended").is_empty());
    }
}
