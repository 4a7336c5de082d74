//! `autoexec.ipxe`, which iPXE 1.21 and later asks for beside itself before it does anything else.

use crate::catalog::Server;

/// A script that only finds the way to the menu, so that a machine gets it whatever its DHCP server
/// said.
///
/// It is replaced by what it chains, and freed: newer iPXE would append it to the initramfs (ipxe
/// issue 1723). Where the menu cannot be had iPXE goes on as it would without this script.
pub fn autoexec(server: &Server) -> String {
    format!(
        "#!ipxe\n# Made by lanboot.\n\
         isset ${{netX/ip}} || dhcp ||\n\
         chain --replace --autofree {}/boot.ipxe || autoboot\n",
        server.http_origin()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::testing::server;

    #[test]
    fn it_leads_to_the_menu_and_leaves_nothing_behind() {
        let text = autoexec(&server());
        let expected = "chain --replace --autofree http://10.0.0.1/boot.ipxe || autoboot\n";
        assert!(
            text.starts_with("#!ipxe\n") && text.ends_with(expected),
            "{text}"
        );
    }
}
