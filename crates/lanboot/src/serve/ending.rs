//! How the program winds down: what still runs may finish within a limit, a second signal ends it
//! at once, and who waits is told for what.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use lanboot_core::events::{EventKind, Outlook, Peer};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::bus::Bus;
use crate::event_logger::Telling;

/// How long transfers may go on after SIGTERM: systemd kills after 90 s.
const DRAIN: Duration = Duration::from_secs(30);
/// How long is waited in silence.
const SILENCE: Duration = Duration::from_secs(1);

/// Waits until every listener has ended, until `again` (another signal) or for [`DRAIN`], and
/// returns the program's last words. `how_to_end` says what ends the wait.
pub(super) async fn wait(
    mut listeners: JoinSet<anyhow::Result<()>>,
    again: impl Future<Output = ()>,
    telling: &Telling,
    bus: &Bus,
    how_to_end: &str,
) -> String {
    let mut all = pin!(async { while listeners.join_next().await.is_some() {} });
    let mut again = pin!(again);
    let wait = async {
        tokio::select! {
            () = &mut all => return true,
            () = &mut again => return false,
            () = sleep(SILENCE) => {}
        }
        let what = telling.outlook().transfers_text();
        let what = what.unwrap_or_else(|| "waiting for connections to end".to_owned());
        let text = format!("{what}; {how_to_end}");
        bus.publish(Peer::default(), EventKind::Diagnostic { text });
        tokio::select! {
            () = &mut all => true,
            () = &mut again => false,
        }
    };
    match timeout(DRAIN, wait).await {
        Ok(true) => "stopped".to_owned(),
        Ok(false) => cut("stopped", &telling.outlook()),
        Err(_) => format!(
            "transfers still ran after {} s and were cut",
            DRAIN.as_secs()
        ),
    }
}

/// Last words when transfers may not have been over.
fn cut(how: &str, outlook: &Outlook) -> String {
    match outlook.transfers {
        0 => how.to_owned(),
        1 => format!("{how}; 1 transfer was cut"),
        n => format!("{how}; {n} transfers were cut"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_count_what_was_cut() {
        let of = |transfers| {
            let outlook = Outlook {
                transfers,
                ..Outlook::default()
            };
            cut("stopped", &outlook)
        };
        assert_eq!(of(0), "stopped");
        assert_eq!(of(1), "stopped; 1 transfer was cut");
        assert_eq!(of(2), "stopped; 2 transfers were cut");
    }
}
