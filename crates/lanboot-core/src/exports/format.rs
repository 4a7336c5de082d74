//! Exports to each format.

use super::rules;
use super::{
    Export, Format, Fragment, dnsmasq, grub, ipxe, isc_dhcp, kea, mikrotik, pxelinux, windows_dhcp,
};

/// The fragment for `format`.
pub fn export(format: Format, from: &Export<'_>) -> Fragment {
    match format {
        Format::Pxelinux => pxelinux::fragment(from),
        Format::Grub => grub::fragment(from),
        Format::Ipxe => ipxe::fragment(from),
        Format::Dnsmasq => dnsmasq::fragment(&rules::rules(from), &rules::proxy_rules(from)),
        Format::IscDhcp => isc_dhcp::fragment(&rules::rules(from)),
        Format::Kea => kea::fragment(&rules::rules(from)),
        Format::Mikrotik => mikrotik::fragment(&rules::rules(from)),
        Format::WindowsDhcp => windows_dhcp::fragment(&rules::rules(from)),
    }
}
