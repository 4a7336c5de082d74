//! The processor a kernel is built for, by its own headers.

use super::cpu::Cpu;
use crate::boot_config::ReadSmall;
use crate::pe;
use crate::vfs::Content;

/// Returns the processor a Linux kernel is for; `None` where its headers do not say, and for
/// processors that are not known here.
pub(super) fn kernel_cpu(kernel: &Content, read: ReadSmall<'_>) -> Option<Cpu> {
    if let Some(program) = pe::Program::parse(kernel, read) {
        let arch = program.arch()?;
        return Cpu::ALL.into_iter().find(|cpu| cpu.runs_on(arch));
    }
    // The x86 boot protocol: `HdrS` at 0x202; bit 0 of `xloadflags` says 64-bit (2.12 and later).
    let head = pe::bytes(kernel, 0, 0x400, read)?;
    let is_linux = head.get(0x202..0x206)? == b"HdrS";
    let is_wide = *head.get(0x236)? & 1 == 1;
    is_linux.then_some(if is_wide { Cpu::X86_64 } else { Cpu::I686 })
}
