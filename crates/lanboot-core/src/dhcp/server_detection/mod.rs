//! Detection of other DHCP servers on a link: whether lanboot hands out addresses there, or leaves
//! them to a server that was there before or comes later.
//!
//! With [`Policy::Auto`] the link is probed at the start. If another server answers, lanboot leaves
//! addresses to it (proxy DHCP). If none does, lanboot hands them out, goes on probing, and steps
//! down when it hears another server. It never steps up by itself: neither a server that comes and
//! goes nor forged offers may make addresses come from two places in turn. Only a restart or a
//! reload (SIGHUP) starts over. After a link or an address was lost, a server probes once more
//! before it goes on: the cable may lead to another network by then.
//!
//! Two lanboots that start together both hear nothing. Each probes again soon, after a random time;
//! the one that is answered steps down and stops answering the other. If a machine asks first, or
//! two LANs become one, each hears the other's offer. So that not both step down, their probes carry
//! an [`Announcement`], and of two that would step down only the one with the higher address does.
//! A server that hears another one probes at once and steps down a second later, unless the other
//! announced itself as such a lanboot in the meantime, and announces it in a last probe.
//!
//! * [`ServerDetection`] — the state machine of one link: events and the time in, an [`Action`] out.
//! * [`OtherServer`] — what a message heard on the link says about another server.
//! * [`Announcement`] — the probe (a DHCPDISCOVER) and what it says about its sender.
//! * [`Diagnostic`] — what the operator should know.

mod detection;
mod diagnostic;
mod other_server;
mod policy;
mod probe;
mod timing;

#[cfg(test)]
mod tests;

pub use detection::{MAX_OTHERS, ServerDetection};
pub use diagnostic::Diagnostic;
pub use other_server::OtherServer;
pub use policy::{Action, Policy};
pub use probe::{Announcement, Role};
pub use timing::STEP_DOWN_DELAY;
