//! Shutdown: running transfers may finish within a limit, a second signal ends them at once, and
//! progress is logged.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use lanboot_core::events::{Diagnostic, DiagnosticCode, Outlook};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::events::boot_progress::ProgressReader;
use crate::events::bus::Bus;

/// Time transfers may continue after SIGTERM: systemd kills after 90 s.
const DRAIN: Duration = Duration::from_secs(30);
/// Time before the wait is logged.
const SILENCE: Duration = Duration::from_secs(1);

/// Waits until every listener has ended, until `again` (another signal) or for [`DRAIN`], and
/// returns the final log message. `how_to_end` is the hint for the operator.
pub(super) async fn wait(
    mut listeners: JoinSet<anyhow::Result<()>>,
    again: impl Future<Output = ()>,
    progress: &ProgressReader,
    bus: &Bus,
    how_to_end: &str,
) -> Diagnostic {
    let mut all = pin!(async { while listeners.join_next().await.is_some() {} });
    let mut again = pin!(again);
    let wait = async {
        tokio::select! {
            () = &mut all => return true,
            () = &mut again => return false,
            () = sleep(SILENCE) => {}
        }
        let what = progress.outlook().transfers_text();
        let what = what.unwrap_or_else(|| "waiting for connections to end".to_owned());
        let text = format!("{what}; {how_to_end}");
        bus.report(DiagnosticCode::Draining.with(text));
        tokio::select! {
            () = &mut all => true,
            () = &mut again => false,
        }
    };
    match timeout(DRAIN, wait).await {
        Ok(true) => DiagnosticCode::Stopped.with("stopped"),
        Ok(false) => interrupted("stopped", &progress.outlook()),
        Err(_) => DiagnosticCode::TransfersInterrupted.with(format!(
            "transfers still running after {} s were interrupted",
            DRAIN.as_secs()
        )),
    }
}

/// Formats the final message if transfers may have been interrupted.
fn interrupted(how: &str, outlook: &Outlook) -> Diagnostic {
    let text = match outlook.transfers {
        0 => return DiagnosticCode::Stopped.with(how),
        1 => format!("{how}; 1 transfer was interrupted"),
        n => format!("{how}; {n} transfers were interrupted"),
    };
    DiagnosticCode::TransfersInterrupted.with(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_final_message_counts_interrupted_transfers() {
        let of = |transfers| {
            let outlook = Outlook {
                transfers,
                ..Outlook::default()
            };
            interrupted("stopped", &outlook).text
        };
        assert_eq!(of(0), "stopped");
        assert_eq!(of(1), "stopped; 1 transfer was interrupted");
        assert_eq!(of(2), "stopped; 2 transfers were interrupted");
    }
}
