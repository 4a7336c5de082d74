//! Requests: redirects, proxies, certificates of this host, limits of time.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use lanboot_core::downloads::{Scheme, Url, UrlError, bypasses_proxy};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Body, Proxy, http};

use crate::config::Proxies;

/// Most redirects followed.
const MAX_REDIRECTS: usize = 8;
/// Longest time for a connection, TLS included, in seconds.
const CONNECT_SECONDS: u64 = 20;
/// Text by which servers recognise this program.
const USER_AGENT: &str = concat!("lanboot/", env!("CARGO_PKG_VERSION"));

/// A client for HTTP and HTTPS.
#[derive(Debug)]
pub(super) struct Web {
    agent: Agent,
    proxies: Proxies,
    /// Longest time without a byte.
    patience: Duration,
}

/// An answer, after redirects.
#[derive(Debug)]
pub(super) struct WebAnswer {
    /// Status code.
    pub(super) status: u16,
    head: http::HeaderMap,
    /// The body.
    pub(super) body: Body,
}

/// The reason why there is no answer.
#[derive(Debug)]
pub(super) enum WebError {
    /// Another status than success.
    Status(u16),
    /// Nothing came for so long.
    Timeout(Duration),
    /// The host has no such name, or does not answer.
    Unreachable(String),
    /// The certificate is not accepted, or the handshake failed.
    Tls(String),
    /// This host has no certificates of authorities.
    NoCertificates,
    /// A redirect to an address without TLS.
    Downgrade(String),
    /// A redirect to something that is no address.
    Redirect(UrlError),
    /// Redirects without end.
    TooManyRedirects,
    /// A small file is larger than any real one.
    TooLong(u64),
}

impl fmt::Display for WebError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(out, "the server answers with status {status}"),
            Self::Timeout(time) => write!(out, "nothing arrived for {} s", time.as_secs()),
            Self::Unreachable(why) => out.write_str(why),
            Self::Tls(why) => write!(out, "no trusted connection: {why}"),
            Self::NoCertificates => out.write_str(
                "this host has no certificates of authorities: install the package ca-certificates, \
                 or name a file of them in SSL_CERT_FILE",
            ),
            Self::Downgrade(to) => {
                write!(out, "it redirects from HTTPS to {to}, which has no protection")
            }
            Self::Redirect(why) => write!(out, "it redirects to no usable address: {why}"),
            Self::TooManyRedirects => write!(out, "it redirects more than {MAX_REDIRECTS} times"),
            Self::TooLong(limit) => write!(out, "it is longer than {limit} bytes"),
        }
    }
}

impl WebError {
    /// Makes one of an error of the HTTP library.
    pub(super) fn of(error: ureq::Error, patience: Duration) -> Self {
        match error {
            ureq::Error::Timeout(_) => Self::Timeout(patience),
            ureq::Error::HostNotFound => Self::Unreachable("the host is unknown".to_owned()),
            ureq::Error::Rustls(error) => Self::Tls(error.to_string()),
            ureq::Error::Tls(why) => Self::Tls(why.to_owned()),
            ureq::Error::Io(error) => Self::of_io(&error, patience),
            other => Self::Unreachable(other.to_string()),
        }
    }

    /// Makes one of an error of a connection.
    pub(super) fn of_io(error: &std::io::Error, patience: Duration) -> Self {
        let inner = error.get_ref();
        if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return Self::Tls(error.to_string());
        }
        let is_timeout = inner
            .and_then(|inner| inner.downcast_ref::<ureq::Error>())
            .is_some_and(|error| matches!(error, ureq::Error::Timeout(_)));
        match error.kind() {
            std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock => {
                Self::Timeout(patience)
            }
            _ if is_timeout => Self::Timeout(patience),
            std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::ConnectionReset => {
                Self::Unreachable("the connection ended early".to_owned())
            }
            _ => Self::Unreachable(error.to_string()),
        }
    }
}

impl WebAnswer {
    /// Returns a field of the head, if it is text.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.head.get(name)?.to_str().ok()
    }
}

impl Web {
    /// Makes a client that waits for `patience` without a byte.
    pub(super) fn new(proxies: Proxies, patience: Duration) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let certificates = authorities().iter().map(|der| Certificate::from_der(der));
        let roots: Vec<Certificate<'static>> = certificates.collect();
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(RootCerts::Specific(Arc::new(roots)))
            .unversioned_rustls_crypto_provider(provider)
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .user_agent(USER_AGENT)
            .accept("*/*")
            .accept_encoding("identity")
            .timeout_connect(Some(Duration::from_secs(CONNECT_SECONDS).min(patience)))
            .timeout_recv_response(Some(patience))
            .timeout_per_read(Some(patience))
            .build();
        Self {
            agent: Agent::new_with_config(config),
            proxies,
            patience,
        }
    }

    /// Returns the longest time without a byte.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Asks for a file with further fields, and follows redirects.
    ///
    /// # Errors
    /// There is no answer; one with any status is returned.
    pub(super) fn get(&self, url: &Url, fields: &[(&str, &str)]) -> Result<WebAnswer, WebError> {
        let mut url = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.get_once(&url, fields)?;
            let location = match answer.status {
                301 | 302 | 303 | 307 | 308 => answer.field("location").map(str::to_owned),
                _ => None,
            };
            let Some(location) = location else {
                return Ok(answer);
            };
            let next = url.join(&location).map_err(WebError::Redirect)?;
            if url.scheme() == Scheme::Https && next.scheme() == Scheme::Http {
                return Err(WebError::Downgrade(next.shown()));
            }
            url = next;
        }
        Err(WebError::TooManyRedirects)
    }

    fn get_once(&self, url: &Url, fields: &[(&str, &str)]) -> Result<WebAnswer, WebError> {
        if url.scheme() == Scheme::Https && authorities().is_empty() {
            return Err(WebError::NoCertificates);
        }
        let mut request = self.agent.get(url.to_string());
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.config().proxy(self.proxy(url)?).build();
        let response = request
            .call()
            .map_err(|error| WebError::of(error, self.patience))?;
        let (head, body) = response.into_parts();
        Ok(WebAnswer {
            status: head.status.as_u16(),
            head: head.headers,
            body,
        })
    }

    /// Returns the proxy for an address.
    fn proxy(&self, url: &Url) -> Result<Option<Proxy>, WebError> {
        let named = match url.scheme() {
            Scheme::Http => &self.proxies.http,
            Scheme::Https => &self.proxies.https,
        };
        let Some(named) = named.as_deref().filter(|name| !name.is_empty()) else {
            return Ok(None);
        };
        if bypasses_proxy(&self.proxies.except, url.host()) {
            return Ok(None);
        }
        let full = match named.contains("://") {
            true => named.to_owned(),
            false => format!("http://{named}"),
        };
        // Its text may hold a password.
        let wrong =
            |_| WebError::Unreachable("the proxy in the environment is no address".to_owned());
        Proxy::new(&full).map(Some).map_err(wrong)
    }

    /// Returns the contents of a small file.
    ///
    /// # Errors
    /// There is no answer, or none of success, or more than `limit` bytes.
    pub(super) fn small(&self, url: &Url, limit: u64) -> Result<Vec<u8>, WebError> {
        let mut answer = self.get(url, &[])?;
        if answer.status != 200 {
            return Err(WebError::Status(answer.status));
        }
        let body = answer.body.with_config().limit(limit).read_to_vec();
        body.map_err(|error| match error {
            ureq::Error::BodyExceedsLimit(_) => WebError::TooLong(limit),
            other => WebError::of(other, self.patience),
        })
    }
}

/// Returns the certificates of authorities that this host trusts: those in `SSL_CERT_FILE` or
/// `SSL_CERT_DIR` if named, else where its distribution keeps them.
fn authorities() -> &'static [Vec<u8>] {
    static FOUND: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        found.certs.iter().map(|der| der.to_vec()).collect()
    })
}
