//! `autoexec.ipxe`, which iPXE 1.21 and later requests from its own folder before anything else.

use crate::catalog::Server;
use crate::route::Route;

/// Returns a script that only leads to the menu, so that a machine gets it whatever its DHCP server
/// sent.
///
/// The menu replaces and frees this script: newer iPXE would append it to the initramfs (ipxe issue
/// 1723). If the menu cannot be loaded, iPXE continues as it would without this script.
pub fn autoexec(server: &Server) -> String {
    format!(
        "#!ipxe\n# Made by lanboot.\n\
         isset ${{netX/ip}} || dhcp ||\n\
         chain --replace --autofree {} || autoboot\n",
        Route::IpxeMenu.url(&server.http)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::server;

    #[test]
    fn it_chains_to_the_menu_and_is_freed() {
        let text = autoexec(&server());
        let expected = "chain --replace --autofree http://10.0.0.1/boot.ipxe || autoboot\n";
        assert!(
            text.starts_with("#!ipxe\n") && text.ends_with(expected),
            "{text}"
        );
    }
}
