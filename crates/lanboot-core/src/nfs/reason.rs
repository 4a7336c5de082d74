//! Reasons a message gets no reply, or a call is refused.

use std::fmt;

use super::wire::rpc;

/// An unsupported request that the operator should know about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another version of NFS.
    NfsVersion(u32),
    /// A mount for version 2 of NFS.
    OldMount,
    /// Authentication other than AUTH_NONE and AUTH_SYS, such as Kerberos.
    Flavor,
}

reason_codes!(Refusal {
    Self::NfsVersion(_) => "nfs_version",
    Self::OldMount => "mount_version",
    Self::Flavor => "authentication_flavor",
});

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NfsVersion(version) => {
                write!(
                    f,
                    "it wants NFS version {version}, only version 3 is served"
                )
            }
            Self::OldMount => f.write_str("it mounts for NFS version 2, only version 3 is served"),
            Self::Flavor => f.write_str("it requires authentication other than AUTH_SYS"),
        }
    }
}

/// Reason a message gets no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IgnoreReason {
    /// Not a call.
    #[error(transparent)]
    Nothing(#[from] rpc::Nothing),
    /// A request to forward a call, which has been abused for attacks (RFC 1833 §2.2.1,
    /// PMAPPROC_CALLIT).
    #[error("calls are not forwarded")]
    Forwarding,
}

reason_codes!(IgnoreReason {
    Self::Nothing(rpc::Nothing::NoCall) => "not_a_call",
    Self::Nothing(rpc::Nothing::Head(_)) => "malformed_head",
    Self::Forwarding => "forwarding",
});
