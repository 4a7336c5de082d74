//! A client of the API of the running program, for its commands.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use lanboot_core::text;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::socket::SOCKET;
use super::views::ErrorBody;

/// Time for which an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest answer that is read, in bytes: 16,384 machines with the longest names.
const MAX_ANSWER: usize = 32 << 20;

/// Sends a request for `path` to the program that uses the state folder `folder`, and parses its
/// answer.
///
/// # Errors
/// No program runs there, it does not answer in time, or it refuses: then with its own sentence.
pub fn get<T: DeserializeOwned>(folder: &Path, path: &str) -> anyhow::Result<T> {
    parse(&call(folder, Method::GET, path, Bytes::new())?)
}

/// Sends `body` to `path`, and parses the answer.
///
/// # Errors
/// As [`get`].
pub fn send<T: DeserializeOwned>(
    folder: &Path,
    method: Method,
    path: &str,
    body: &impl Serialize,
) -> anyhow::Result<T> {
    let body = serde_json::to_vec(body)?;
    let answer = call(folder, method, path, body.into())?;
    parse(if answer.is_empty() { b"null" } else { &answer })
}

fn parse<T: DeserializeOwned>(answer: &[u8]) -> anyhow::Result<T> {
    serde_json::from_slice(answer).context("the answer of the running lanboot is not understood")
}

/// Sends a request to delete what is at `path`.
///
/// # Errors
/// As [`get`].
pub fn delete(folder: &Path, path: &str) -> anyhow::Result<()> {
    call(folder, Method::DELETE, path, Bytes::new()).map(drop)
}

fn call(folder: &Path, method: Method, path: &str, body: Bytes) -> anyhow::Result<Bytes> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    // Inside: a timer belongs to the runtime that it is made in.
    let answer =
        runtime.block_on(async { timeout(PATIENCE, exchange(folder, method, path, body)).await });
    answer.map_err(|_| {
        let seconds = PATIENCE.as_secs();
        anyhow!("the running lanboot did not answer for {seconds} s")
    })?
}

async fn exchange(folder: &Path, method: Method, path: &str, body: Bytes) -> anyhow::Result<Bytes> {
    let stream = connect(folder).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the answer, or fails with it.
    let connection = tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "lanboot")
        .header("content-type", "application/json")
        .body(Full::new(body))?;
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
    let body = body.map_err(|error| anyhow!("{error}"))?.to_bytes();
    connection.abort();
    if status.is_success() {
        return Ok(body);
    }
    match serde_json::from_slice::<ErrorBody>(&body) {
        Ok(refusal) => bail!("{}", text::lines(&refusal.error)),
        Err(_) => bail!("the running lanboot answered with status {status}"),
    }
}

async fn connect(folder: &Path) -> anyhow::Result<UnixStream> {
    let path = folder.join(SOCKET);
    let shown = text::path(&path);
    UnixStream::connect(&path).await.map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => anyhow!(
            "no lanboot runs with the state folder {}; start one with 'lanboot serve', or name the \
             folder of the running one with --state",
            text::path(folder)
        ),
        ErrorKind::PermissionDenied => anyhow!(
            "cannot open {shown}: only the user that runs lanboot serve may manage its machines; try \
             sudo"
        ),
        _ => anyhow!("{shown}: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::AdminSocket;
    use crate::admin::views::MachineList;
    use crate::context::Context;
    use crate::events::bus::Bus;
    use crate::images::open_images::OpenImages;
    use crate::machines::Plans;
    use lanboot_core::catalog::Catalog;
    use lanboot_core::menus::Menu;
    use lanboot_core::routes::Routes;
    use std::sync::Arc;
    use tokio::sync::watch;

    /// Returns the context of a server without images.
    fn context(drain: watch::Receiver<bool>) -> Context {
        let (bus, _events) = Bus::new();
        let menu = Menu {
            timeout: None,
            boot: Default::default(),
            append: String::new(),
            transports: Default::default(),
            kind: Default::default(),
        };
        let routes = Routes {
            catalog: Arc::new(Catalog::default()),
            loaders: Default::default(),
            menu,
            addresses: Vec::new(),
            subnets: Vec::new(),
            http_port: 80,
            nfs: false,
            nbd: false,
        };
        Context {
            routes: Arc::new(arc_swap::ArcSwap::from_pointee(routes)),
            plans: Plans::none(bus.clone()),
            open_images: Arc::new(OpenImages::default()),
            bus,
            drain,
        }
    }

    #[test]
    fn answers_and_refusals_come_back_and_no_server_is_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let error = get::<MachineList>(folder, "/api/v1/machines").unwrap_err();
        assert!(
            error.to_string().starts_with("no lanboot runs with"),
            "{error}"
        );
        let socket = AdminSocket::bind(folder).unwrap();
        let (stop, drain) = watch::channel(false);
        let server = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().unwrap();
            runtime.block_on(crate::admin::serve(socket, context(drain)))
        });
        let list: MachineList = get(folder, "/api/v1/machines").unwrap();
        assert!(list.machines.is_empty());
        let error = delete(folder, "/api/v1/machines/02:00:00:00:00:01").unwrap_err();
        assert!(error.to_string().contains("02:00:00:00:00:01"), "{error}");
        stop.send(true).unwrap();
        server.join().unwrap().unwrap();
        assert!(get::<MachineList>(folder, "/api/v1/machines").is_err());
    }
}
