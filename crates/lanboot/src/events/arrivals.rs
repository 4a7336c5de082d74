//! Counts the requests and connections that reached the listeners, by service and by the address of
//! the interface they came to. What arrives at an interface and is not counted here was dropped in
//! between.

use std::net::IpAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::net::Service;

/// The counters, which cost a request no lock.
#[derive(Debug, Default)]
pub struct Arrivals {
    interfaces: OnceLock<Vec<Interface>>,
}

/// Counters of one interface.
#[derive(Debug)]
struct Interface {
    /// Our address there.
    address: IpAddr,
    /// In the order of [`Service::ALL`].
    by_service: [AtomicU64; Service::ALL.len()],
}

impl Arrivals {
    /// Counts what comes to these addresses, one for each interface, from now on. Only the first call
    /// has an effect, and nothing is counted before.
    pub fn begin(&self, addresses: impl IntoIterator<Item = IpAddr>) {
        let interface = |address| Interface {
            address,
            by_service: Default::default(),
        };
        self.interfaces
            .get_or_init(|| addresses.into_iter().map(interface).collect());
    }

    /// Counts one that reached the listener of `service` at `address`.
    pub fn add(&self, service: Service, address: IpAddr) {
        if let Some(count) = self.counter(service, address) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns how many reached the listener of `service` at `address` so far.
    pub fn count(&self, service: Service, address: IpAddr) -> u64 {
        let count = self.counter(service, address);
        count.map_or(0, |count| count.load(Ordering::Relaxed))
    }

    fn counter(&self, service: Service, address: IpAddr) -> Option<&AtomicU64> {
        let mut interfaces = self.interfaces.get()?.iter();
        let interface = interfaces.find(|interface| interface.address == address)?;
        let mut counts = Service::ALL.iter().zip(&interface.by_service);
        let (_, count) = counts.find(|(other, _)| **other == service)?;
        Some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_of_each_interface_has_a_count_of_its_own() {
        let (eth0, eth1) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 1, 0, 1]));
        let loopback = IpAddr::from([127, 0, 0, 1]);
        let arrivals = Arrivals::default();
        arrivals.add(Service::Tftp, eth0);
        assert_eq!(arrivals.count(Service::Tftp, eth0), 0, "not yet");
        arrivals.begin([eth0, eth1]);
        arrivals.add(Service::Tftp, eth1);
        arrivals.add(Service::Tftp, eth1);
        arrivals.add(Service::Http, eth0);
        arrivals.add(Service::Tftp, loopback);
        for (service, address, expected) in [
            (Service::Tftp, eth0, 0),
            (Service::Tftp, eth1, 2),
            (Service::Http, eth0, 1),
            (Service::Http, eth1, 0),
            (Service::Tftp, loopback, 0),
        ] {
            assert_eq!(arrivals.count(service, address), expected, "{service:?}");
        }
    }
}
