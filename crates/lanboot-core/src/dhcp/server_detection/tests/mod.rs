//! Server detection: one link, several lanboots on one LAN, and any order of events.

mod any_order;
mod convergence;
mod detection;
