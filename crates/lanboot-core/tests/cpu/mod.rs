//! Processor time: what a test may take, however many others want the processor.

/// Returns the seconds of processor time this thread has had (proc_pid_stat(5), fields 14 and 15,
/// in hundredths).
pub(crate) fn seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("Linux has this file");
    // The name in brackets may hold spaces.
    let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
    let ticks: u32 = fields[11..13]
        .iter()
        .map(|f| f.parse::<u32>().unwrap())
        .sum();
    f64::from(ticks) / 100.0
}
