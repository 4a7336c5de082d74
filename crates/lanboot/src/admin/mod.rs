//! The administration interface: a JSON API over HTTP on a Unix socket in the state folder, for the
//! commands of this program and for scripts of the same user.

pub mod client;
mod plan_paths;
mod refusal;
mod router;
mod socket;
pub mod views;

pub use router::router;
pub use socket::{AdminSocket, SOCKET};

use crate::context::Context;

/// Answers requests until `drain` becomes true.
///
/// # Errors
/// The socket cannot be polled.
pub async fn serve(socket: AdminSocket, context: Context) -> std::io::Result<()> {
    let (listener, _guard) = socket.polled()?;
    let mut drain = context.drain.clone();
    let drained = async move {
        // The sender is gone only when the program ends.
        let _ = drain.wait_for(|drain| *drain).await;
    };
    // What is under way is a request of a moment, and is not waited for.
    tokio::select! {
        result = axum::serve(listener, router(context)) => result,
        () = drained => Ok(()),
    }
}
