//! Fuzz targets for every parser of `lanboot-core`. Each is a function from bytes to assertions in
//! [`targets`], with seeds made by code; `fuzz_targets/` hands them to libFuzzer.

pub mod targets;

/// Writes the seeds of a target into the folder `LANBOOT_FUZZ_SEEDS`, if that is set. libFuzzer
/// calls it before it reads its corpus.
pub fn write_seeds(name: &str) {
    let Some(folder) = std::env::var_os("LANBOOT_FUZZ_SEEDS") else {
        return;
    };
    let target = targets::ALL.iter().find(|target| target.name == name);
    let seeds = target.expect("the target is listed in targets::ALL").seeds;
    for (number, seed) in seeds().iter().enumerate() {
        let path = std::path::Path::new(&folder).join(format!("seed-{number:03}"));
        std::fs::write(&path, seed).expect("the folder of the seeds is writable");
    }
}
